"""Rows of labels and questions, a file, directory or glob of JSON lines and Parquet.

In: a path on any fsspec filesystem and the columns that are wanted. Out: dictionaries, by path and
then in order, on one machine; a corpus goes another way, shard by shard.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.delta import live_files
from compressor.corpus.files import SUFFIXES
from compressor.corpus.storage import Entry, Storage
from compressor.errors import InputError

Row = dict[str, Any]
_LINES = (".jsonl", ".jsonl.gz", ".ndjson")


def read_rows(
    path: str,
    columns: Sequence[str],
    *,
    key: str,
    optional: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
) -> list[Row]:
    """All rows with `columns`, and with those of `optional` that are there.

    Raises `InputError` that names `key`, file, and row or column.
    """
    storage = Storage.at(path, storage_options, key=key)
    wanted = (*columns, *optional)
    rows = [
        {name: row[name] for name in wanted if name in row}
        for _, _, row in each_row(storage, wanted, required=columns)
    ]
    if not rows:
        raise InputError(f"{key}: {path}: holds no rows")
    return rows


def each_row(
    storage: Storage, columns: Sequence[str], *, required: Sequence[str] = ()
) -> Iterator[tuple[str, int, Row]]:
    """(file, number from 1, row) of every file; of Parquet only `columns` are read.

    Files are told by their names; a single file that isn't named like Parquet is JSON lines. The
    number is that of the line, where there are lines. Raises `InputError`, also for rows without
    what is `required`.
    """
    with storage.explained():
        filesystem, path = storage.open()
        entries = storage.files()
    single = len(entries) == 1 and entries[0].path == path
    chosen = [one for one in entries if single or one.path.endswith((*SUFFIXES, *_LINES))]
    live = live_files(storage)
    if live is not None:
        chosen = [one for one in chosen if storage.relative(one.path) in live]
    if not chosen:
        raise InputError(f"{storage.key}: {storage.url}: no Parquet or .jsonl files there")
    for entry in chosen:
        read = _parquet if entry.path.endswith(SUFFIXES) else _lines
        for number, row in read(filesystem, entry, storage, columns, required):
            yield entry.path, number, row


def _parquet(
    filesystem: Any,
    entry: Entry,
    storage: Storage,
    columns: Sequence[str],
    required: Sequence[str],
) -> Iterator[tuple[int, Row]]:
    where = f"{storage.key}: {entry.path}"
    try:
        with filesystem.open(entry.path, "rb") as source:
            file = pq.ParquetFile(source)
            names = file.schema_arrow.names
            _check(names, required, where, "column")
            number = 0
            for batch in file.iter_batches(columns=[name for name in columns if name in names]):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{where}: can't be read: {reason}") from None


def _lines(
    filesystem: Any,
    entry: Entry,
    storage: Storage,
    columns: Sequence[str],  # noqa: ARG001
    required: Sequence[str],
) -> Iterator[tuple[int, Row]]:
    compression = "gzip" if entry.path.endswith(".gz") else None
    try:
        with filesystem.open(entry.path, "rt", encoding="utf-8", compression=compression) as source:
            for number, line in enumerate(source, start=1):
                if line.strip():
                    where = f"{storage.key}: {entry.path}:{number}"
                    row = _object(line, where)
                    _check(list(row), required, where, "field")
                    yield number, row
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{storage.key}: {entry.path}: can't be read: {error}") from None


def _check(names: Sequence[str], required: Sequence[str], where: str, what: str) -> None:
    for name in required:
        if name not in names:
            there = ", ".join(map(str, names)) or "none"
            raise InputError(f"{where}: no {what} {name!r}; there are {there}")


def _object(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: wants a JSON object, got {type(row).__name__}")
    return row
