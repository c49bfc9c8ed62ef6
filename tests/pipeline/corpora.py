"""Corpora of numbered passages for tests of refreshes: each row's text follows from its number."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import TEXTS


def passage(number: int, edition: int = 0) -> str:
    """A text that no other number or edition has."""
    return f"{TEXTS[number % 5]} {number} of edition {edition}"


def table(numbers: Iterable[int], editions: dict[int, int] | None = None) -> pa.Table:
    rows = [
        {"id": number, "text": passage(number, (editions or {}).get(number, 0))}
        for number in numbers
    ]
    return pa.Table.from_pylist(rows, pa.schema([("id", pa.int64()), ("text", pa.string())]))


def write_files(folder: Path, parts: Sequence[pa.Table], *, group: int = 7, stem: str = "") -> Path:
    """One file for each table; whole folders are written anew, so every file has a new time."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.parquet"):
        old.unlink()
    for number, part in enumerate(parts):
        pq.write_table(part, folder / f"{stem}{number:03}.parquet", row_group_size=group)
    return folder


def by_id(rows: pa.Table) -> list[dict[str, Any]]:
    return sorted(rows.to_pylist(), key=lambda row: row["id"])
