"""Training texts from files: JSON lines or Parquet on any filesystem in, `Passage`s out.

A labelled row has `id`, `text`, `half`, and may have `domain`, `quarter`, `keep` (a list of
strings). Rows that another job has marked as failed (`status`) or not good enough (`selected`) are
left out.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.files import SUFFIXES
from compressor.corpus.storage import Entry, Storage
from compressor.errors import InputError
from compressor.train.passages import Passage

Row = Mapping[str, Any]
FIELDS = ("id", "domain", "text", "half", "quarter", "keep")
_MARKS = ("status", "selected")
_LINES = (".jsonl", ".jsonl.gz", ".ndjson")


def read_passages(
    path: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    key: str = "data.path",
    say: Callable[[str], None] = lambda _: None,
) -> list[Passage]:
    """All labelled passages of a file, directory or glob, by path and then in order.

    `options` go to the filesystem; `key` names the setting in messages; `say` takes the count of
    rows that are left out. Raises `InputError` that names file and row (of JSON: line) for what
    can't be read, a field that is missing or of the wrong type, a blank text, and an id that occurs
    twice.
    """
    passages: list[Passage] = []
    seen: dict[str, tuple[str, int]] = {}
    left_out: Counter[str] = Counter()
    for file, number, row in _rows(Storage(str(path), options or {}, key), (*FIELDS, *_MARKS)):
        if reason := _unfit(row):
            left_out[reason] += 1
            continue
        passage = _passage(row, f"{file}:{number}")
        first = seen.setdefault(passage.id, (file, number))
        if first != (file, number):
            before = f"on line {first[1]}" if first[0] == file else f"in {first[0]}:{first[1]}"
            raise InputError(f"{file}:{number}: id {passage.id!r} was {before} already")
        passages.append(passage)
    if left_out:
        say(f"{path}: left out " + ", ".join(f"{n} rows {why}" for why, n in left_out.items()))
    if not passages:
        raise InputError(f"{key}: {path}: holds no passages to train on")
    return passages


def read_texts(
    path: str | Path, *, options: Mapping[str, Any] | None = None, key: str = "data.unlabelled"
) -> list[Passage]:
    """All texts of a file, directory or glob as passages without labels; blank ones are left out.

    Only the field `text` (and `keep`) is looked at. Raises `InputError` as `read_passages` does.
    """
    passages = [
        Passage(f"{file}:{number}", "", row["text"], None, None, _keep(row, f"{file}:{number}"))
        for file, number, row in _rows(Storage(str(path), options or {}, key), ("text", "keep"))
        if (row.get("text") or "").strip()
    ]
    if not passages:
        raise InputError(f"{key}: {path}: holds no texts (in the field 'text')")
    return passages


def _unfit(row: Row) -> str | None:
    if row.get("status", "ok") != "ok":
        return f"with status {row['status']}"
    if "selected" in row and row["selected"] is not True:
        return "that are not selected"
    return None


def _passage(row: Row, where: str) -> Passage:
    for field in ("id", "text", "half"):
        value = row.get(field)
        if not isinstance(value, str) and not (field == "id" and type(value) is int):
            raise InputError(f"{where}: {field!r} must be a string, got {value!r:.40}")
    for field in ("domain", "quarter"):
        if not isinstance(row.get(field), str | None):
            raise InputError(f"{where}: {field!r} must be a string, got {row[field]!r:.40}")
    if not row["text"].strip():
        raise InputError(f"{where}: 'text' is blank")
    return Passage(
        id=str(row["id"]),
        domain=row.get("domain") or "",
        text=row["text"],
        half=row["half"],
        quarter=row.get("quarter"),
        keep=_keep(row, where),
    )


def _keep(row: Row, where: str) -> tuple[str, ...]:
    value = row.get("keep")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{where}: 'keep' must be a list of strings, got {value!r:.40}")
    return tuple(value)


def _rows(storage: Storage, columns: tuple[str, ...]) -> Iterator[tuple[str, int, Row]]:
    """(file, number from 1, row) of every file; a single file may have any name."""
    with storage.explained():
        filesystem, path = storage.open()
        entries = storage.files()
    single = len(entries) == 1 and entries[0].path == path
    chosen = [e for e in entries if single or e.path.endswith((*SUFFIXES, *_LINES))]
    if not chosen:
        raise InputError(f"{storage.key}: {storage.url}: no Parquet or .jsonl files there")
    for entry in chosen:
        rows = (
            _parquet(filesystem, entry, storage, columns)
            if entry.path.endswith(SUFFIXES)
            else _lines(filesystem, entry, storage)
        )
        for number, row in rows:
            yield entry.path, number, row


def _parquet(
    filesystem: Any, entry: Entry, storage: Storage, columns: tuple[str, ...]
) -> Iterator[tuple[int, Row]]:
    try:
        with filesystem.open(entry.path, "rb") as source:
            file = pq.ParquetFile(source)
            there = [name for name in columns if name in file.schema_arrow.names]
            number = 0
            for batch in file.iter_batches(columns=there):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{storage.key}: {entry.path}: can't be read: {reason}") from None


def _lines(filesystem: Any, entry: Entry, storage: Storage) -> Iterator[tuple[int, Row]]:
    compression = "gzip" if entry.path.endswith(".gz") else None
    try:
        with filesystem.open(entry.path, "rt", encoding="utf-8", compression=compression) as source:
            for number, line in enumerate(source, start=1):
                if line.strip():
                    yield number, _object(line, f"{entry.path}:{number}")
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{storage.key}: {entry.path}: can't be read: {error}") from None


def _object(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: wants an object with {', '.join(FIELDS)}")
    return row
