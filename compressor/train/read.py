"""Training texts from files: JSON lines or Parquet on any filesystem in, `Passage`s out.

A labelled row has `id`, `text`, `half`, and may have `domain`, `quarter`, `keep` (a list of
strings). Rows that another job has marked as failed (`status`) or not good enough (`selected`) are
left out.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from compressor.corpus.rows import Row, each_row
from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.train.passages import Passage

FIELDS = ("id", "domain", "text", "half", "quarter", "keep")
_MARKS = ("status", "selected")


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
    for file, number, row in each_row(Storage(str(path), options or {}, key), (*FIELDS, *_MARKS)):
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
        for file, number, row in each_row(Storage(str(path), options or {}, key), ("text", "keep"))
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
