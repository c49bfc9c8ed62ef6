"""Rows of a file of evaluation data: JSON lines (.gz too) or Parquet, on any fsspec filesystem.

In: a path and the columns that are wanted. Out: dictionaries, in the order of the file.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import fsspec
import pyarrow.parquet as pq

from compressor.corpus.files import source_files
from compressor.corpus.storage import Storage
from compressor.errors import InputError

Row = dict[str, Any]


def read_rows(
    path: str,
    columns: Sequence[str],
    *,
    key: str,
    optional: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
) -> list[Row]:
    """All rows with `columns`, and with those of `optional` that are there.

    A path with `.jsonl` in it is JSON lines, anything else Parquet (file, directory or glob).
    Raises `InputError` that names `key`, file, and line or column.
    """
    storage = Storage.at(path, storage_options, key=key)
    read = _json_lines if ".jsonl" in path else _parquet
    rows = list(read(storage, columns, optional))
    if not rows:
        raise InputError(f"{key}: {path}: holds no rows")
    return rows


def _json_lines(storage: Storage, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    with (
        storage.explained(),
        fsspec.open(
            storage.url, "rt", encoding="utf-8", compression="infer", **storage.options
        ) as lines,
    ):
        for number, line in enumerate(lines, start=1):
            if line.strip():
                row = _object(line, f"{storage.key}: {storage.url} line {number}")
                for column in columns:
                    if column not in row:
                        raise InputError(
                            f"{storage.key}: {storage.url} line {number}: no field {column!r}; "
                            f"there are {', '.join(map(str, row))}"
                        )
                yield {name: row[name] for name in (*columns, *optional) if name in row}


def _object(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: wants a JSON object, got {type(row).__name__}")
    return row


def _parquet(storage: Storage, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    filesystem, _ = storage.open()
    for file in source_files(storage):
        for column in columns:
            if column not in file.schema.names:
                raise InputError(
                    f"{storage.key}: {file.path}: no column {column!r}; "
                    f"there are {', '.join(file.schema.names)}"
                )
        wanted = [name for name in (*columns, *optional) if name in file.schema.names]
        with storage.explained():
            content = io.BytesIO(filesystem.cat_file(file.path))
            yield from pq.read_table(content, columns=wanted).to_pylist()
