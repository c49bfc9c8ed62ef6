"""The Parquet files of an input and what their footers say. Input: a `Storage`; output: files.

Footers are read from the end of each file, many at a time; no data is read.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.delta import live_files
from compressor.corpus.storage import Entry, Storage
from compressor.errors import InputError

SUFFIXES = (".parquet", ".parq", ".pq")
FOOTER_READERS = 32  # requests in flight; a footer is one small read, so latency is all that counts
TAIL = 64 * 1024  # most footers fit
TRAILER = 8  # length of the footer (4 bytes) and the magic bytes


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows and uncompressed bytes of a row group; `text`: of its text columns alone, encoded."""

    rows: int
    bytes: int
    text: int = 0


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Parquet file: where it is, which version, its row groups and its Arrow schema."""

    path: str
    size: int
    version: str
    row_groups: tuple[RowGroup, ...]
    schema: pa.Schema

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.row_groups)


def source_files(storage: Storage, text: Sequence[str] = ()) -> list[SourceFile]:
    """List the input and read all footers, in the order of the paths; `text`: its text columns.

    Raises `InputError` where there is nothing, no Parquet, or a file that isn't readable Parquet.
    """
    return read_footers(parquet_entries(storage), storage, text)


def parquet_entries(storage: Storage) -> list[Entry]:
    """The Parquet files of the input, in the order of their paths; none of them is opened.

    A directory contributes its `*.parquet`, `*.parq` and `*.pq` (folders are searched; the names
    of Hive partitions stay names: files are read as they are); a Delta table, the files of its last
    version. Raises `InputError` where there is nothing or no Parquet.
    """
    with storage.explained():
        _, path = storage.open()
        entries = storage.files()
    single = len(entries) == 1 and entries[0].path == path
    parquet = [entry for entry in entries if single or entry.path.endswith(SUFFIXES)]
    live = live_files(storage)
    if live is not None:
        parquet = [entry for entry in parquet if storage.relative(entry.path) in live]
    if not parquet:
        raise InputError(f"{storage.key}: {storage.url}: no Parquet files there")
    return parquet


def read_footers(
    entries: Sequence[Entry], storage: Storage, text: Sequence[str] = ()
) -> list[SourceFile]:
    """Read the footers of `entries`; raises `InputError` that names the first bad file."""
    filesystem, _ = storage.open()
    schemas: dict[bytes, pa.Schema] = {}  # files of one corpus share theirs, which are large

    def read(entry: Entry) -> SourceFile:
        with storage.explained():
            tail = _tail(filesystem, entry)
        try:
            file = pq.ParquetFile(pa.BufferReader(tail))
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{storage.key}: {entry.path}: not a readable Parquet file "
                f"(truncated?): {_first_line(error)}"
            ) from error
        schema = file.schema_arrow
        schema = schemas.setdefault(schema.serialize().to_pybytes(), schema)
        groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
        chunks = _chunks_of(file, text)
        return SourceFile(
            entry.path,
            entry.size,
            entry.version,
            tuple(
                RowGroup(
                    group.num_rows,
                    group.total_byte_size,
                    sum(group.column(chunk).total_uncompressed_size for chunk in chunks),
                )
                for group in groups
            ),
            schema,
        )

    with ThreadPoolExecutor(FOOTER_READERS) as pool:
        return list(pool.map(read, entries))


def _chunks_of(file: pq.ParquetFile, names: Sequence[str]) -> list[int]:
    """Which chunks of a row group hold these columns; lists lie below `name.list.element`."""
    paths = (file.schema.column(at).path for at in range(len(file.schema))) if names else ()
    starts = tuple(f"{name}." for name in names)
    return [at for at, path in enumerate(paths) if f"{path}.".startswith(starts)]


def _tail(filesystem: Any, entry: Entry) -> bytes:
    """The end of the file, footer included: one read, or two where the footer is a long one."""
    start = max(0, entry.size - TAIL)
    tail = bytes(filesystem.cat_file(entry.path, start=start, end=entry.size))
    length = int.from_bytes(tail[-TRAILER:-4], "little") + TRAILER
    if len(tail) < length <= entry.size:
        tail = bytes(filesystem.cat_file(entry.path, start=entry.size - length, end=entry.size))
    return tail


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
