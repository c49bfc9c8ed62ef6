"""Shards to tables, on a worker. Input: shards and storage; output: one table for each shard.

Every column comes out in the planned type, whatever the file had: nested, dictionary, zoned and
extension types pass through Arrow alone, never through Python or numpy objects.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.shards import Piece, Shard
from compressor.corpus.storage import Storage
from compressor.errors import JobError

STREAM_BUFFER = 8 * 1024 * 1024  # bytes a request asks for when a large row group is streamed
BATCH_ROWS = 1024


def read_shards(
    storage: Storage,
    shards: Sequence[Shard],
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """Yield the table of each shard; several shards must be parts of one row group.

    `columns` restricts what is read. Raises `JobError` that names the file that can't be read.
    """
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    filesystem, _ = storage.open()
    if shards and shards[0].pieces and shards[0].pieces[0].is_part_of_a_row_group:
        yield from _read_parts(filesystem, [shard.pieces[0] for shard in shards], schema)
        return
    for shard in shards:
        tables = [_read_groups(filesystem, piece, schema) for piece in shard.pieces]
        yield pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()


def _read_groups(filesystem: Any, piece: Piece, schema: pa.Schema) -> pa.Table:
    """Whole row groups: the few byte ranges that hold them, asked for at once."""
    try:
        with filesystem.open(piece.path, "rb", cache_type="none") as source:
            file = pq.ParquetFile(source, pre_buffer=True)
            groups = list(range(piece.first, piece.last + 1))
            return conform(file.read_row_groups(groups, columns=_present(file, schema)), schema)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(piece, error) from error


def _read_parts(filesystem: Any, pieces: Sequence[Piece], schema: pa.Schema) -> Iterator[pa.Table]:
    """Consecutive parts of one row group, decoded once and in bounded memory."""
    piece = pieces[0]
    try:
        with filesystem.open(piece.path, "rb", cache_type="none") as source:
            file = pq.ParquetFile(source, pre_buffer=False, buffer_size=STREAM_BUFFER)
            batches = file.iter_batches(
                BATCH_ROWS, row_groups=[piece.first], columns=_present(file, schema)
            )
            rows = _Rows(batches)
            for part in pieces:
                assert part.start is not None
                rows.skip_to(part.start)
                yield conform(rows.take(part.rows), schema)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(piece, error) from error


class _Rows:
    """A stream of record batches, taken from by number of rows."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest: pa.RecordBatch | None = None
        self._position = 0

    def skip_to(self, row: int) -> None:
        for _ in self._pull(row - self._position):
            pass

    def take(self, rows: int) -> pa.Table:
        return pa.Table.from_batches(list(self._pull(rows)))

    def _pull(self, rows: int) -> Iterator[pa.RecordBatch]:
        while rows > 0:
            batch = self._rest if self._rest is not None else next(self._batches)
            taken = batch.slice(0, rows)
            self._rest = batch.slice(rows) if batch.num_rows > rows else None
            self._position += taken.num_rows
            rows -= taken.num_rows
            yield taken


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Cast to the planned schema: missing columns become nulls, the order is the schema's."""
    arrays = []
    for field in schema:
        if field.name not in table.schema.names:
            arrays.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
            continue
        column = table.column(field.name)
        if column.type.equals(field.type):
            arrays.append(column)
        elif pa.types.is_null(column.type):
            arrays.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
        else:
            arrays.append(column.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema).combine_chunks()


def _present(file: pq.ParquetFile, schema: pa.Schema) -> list[str] | None:
    """The columns to decode; None for all, so that no name has to be matched."""
    names = file.schema_arrow.names
    wanted = [name for name in names if name in schema.names]
    return None if wanted == names else wanted


def _unreadable(piece: Piece, error: Exception) -> JobError:
    message = " ".join(str(error).split())
    return JobError(f"{piece.path}: row group {piece.first} can't be read: {message}")
