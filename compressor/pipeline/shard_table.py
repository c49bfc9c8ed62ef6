"""`_stats/shards.parquet`: a row for each shard, written group by group.

Input: shards and their ledger; output: the file. No more than a group of rows is held at a time.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.columns import STATUSES
from compressor.corpus.shards import WHOLE, Shards, file_name
from compressor.corpus.storage import Storage
from compressor.corpus.write import CODEC
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.results import Results

NAME = "_stats/shards.parquet"
GROUP = 65_536  # rows
SOURCE = pa.struct(
    [
        ("path", pa.string()),
        ("version", pa.string()),
        ("first_row_group", pa.int32()),
        ("last_row_group", pa.int32()),
        ("start_row", pa.int64()),
        ("rows", pa.int64()),
    ]
)
SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("file", pa.string()),
        ("fingerprint", pa.string()),
        ("rows", pa.int64()),
        *((status, pa.int64()) for status in STATUSES),
        ("original_tokens", pa.int64()),
        ("compressed_tokens", pa.int64()),
        ("rate", pa.float64()),
        ("model_seconds", pa.float64()),
        ("seconds", pa.float64()),
        ("finished", pa.timestamp("ms", "UTC")),
        ("replica", pa.string()),
        ("resumed", pa.bool_()),
        ("source", pa.list_(SOURCE)),
    ]
)


def write_shard_table(target: Storage, parts: Sequence[Results]) -> None:
    """Write the file whole, or not at all."""
    with (
        target.writer(NAME) as file,
        pq.ParquetWriter(file, SCHEMA, compression=CODEC) as writer,
    ):
        for table in _tables(parts):
            writer.write_table(table, row_group_size=max(1, len(table)))


def _tables(parts: Sequence[Results]) -> Iterator[pa.Table]:
    """At least one, so that there is a row group to read."""
    if not any(len(part.shards) for part in parts):
        yield SCHEMA.empty_table()
    for part in parts:
        for first in range(0, len(part.shards), GROUP):
            yield _table(part, first, min(first + GROUP, len(part.shards)))


def _table(part: Results, first: int, end: int) -> pa.Table:
    shards, ledger = part.shards[first:end], part.ledger
    prints = [text.decode() for text in shards.fingerprints.tolist()]
    numbers = shards.indices.tolist()
    original = ledger.counts("original_tokens")[first:end]
    compressed = ledger.counts("compressed_tokens")[first:end]
    resumed = np.isnan(ledger.finished[first:end])
    rate = compressed / np.maximum(original, 1)
    columns = {
        "shard": numbers,
        "file": [file_name(number, text) for number, text in zip(numbers, prints, strict=True)],
        "fingerprint": prints,
        **{name: ledger.counts(name)[first:end] for name in ("rows", *STATUSES)},
        "original_tokens": original,
        "compressed_tokens": compressed,
        "rate": pa.array(rate, mask=original == 0),
        **{
            name: pa.array(ledger.seconds(name)[first:end], mask=resumed)
            for name in ("model_seconds", "seconds")
        },
        "finished": _times(ledger.finished[first:end]),
        "replica": _replicas(ledger, first, end),
        "resumed": resumed,
        "source": _sources(shards),
    }
    return pa.Table.from_arrays(
        [pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA
    )


def _times(seconds: npt.NDArray[np.float64]) -> pa.Array:
    """Times of the epoch; null for shards of earlier runs, and of an input without rows."""
    unknown = ~(seconds > 0)
    thousandths = np.rint(1000 * np.where(unknown, 0, seconds)).astype(np.int64)
    return pa.array(thousandths, pa.int64(), mask=unknown).cast(pa.timestamp("ms", "UTC"))


def _replicas(ledger: Ledger, first: int, end: int) -> pa.Array:
    number = ledger.replica[first:end]
    return pa.array(list(ledger.replicas), pa.string()).take(pa.array(number, mask=number < 0))


def _sources(shards: Shards) -> pa.ListArray:
    file, head, last, rows, start = shards.pieces.T
    paths, versions = (
        pa.array([one[part] for one in shards.files], pa.string()).take(pa.array(file))
        for part in (0, 1)
    )
    values = pa.StructArray.from_arrays(
        [
            paths,
            versions,
            *(_array(column, pa.int32()) for column in (head, last)),
            pa.array(start, pa.int64(), mask=start == WHOLE),
            _array(rows, pa.int64()),
        ],
        fields=list(SOURCE),
    )
    return pa.ListArray.from_arrays(pa.array(shards.bounds, pa.int32()), values)


def _array(column: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    return pa.array(column, pa.int64()).cast(kind)
