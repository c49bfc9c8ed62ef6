"""Rows that are missing, twice there or outdated, from intervals alone."""

from dataclasses import asdict
from typing import Any

import pyarrow as pa

from compressor.corpus.files import RowGroup, SourceFile
from compressor.corpus.shards import Piece
from compressor.verify.coverage import check_coverage

FILES = [
    SourceFile("in/a", 1, "v1", (RowGroup(10, 1), RowGroup(5, 1)), pa.schema([])),
    SourceFile("in/b", 1, "v1", (RowGroup(0, 1), RowGroup(4, 1)), pa.schema([])),
]
A = Piece("in/a", "v1", 0, 1, 15)
B = Piece("in/b", "v1", 0, 1, 4)


def problems(**pieces: list[Piece]) -> list[str]:
    records: dict[str, Any] = {
        name: {"pieces": [asdict(piece) for piece in own]} for name, own in pieces.items()
    }
    return list(check_coverage(FILES, records))


def test_each_row_once() -> None:
    assert problems(x=[A, B]) == []
    first, second = Piece("in/a", "v1", 0, 0, 6, 0), Piece("in/a", "v1", 0, 0, 4, 6)
    assert problems(x=[first], y=[second], z=[Piece("in/a", "v1", 1, 1, 5), B]) == []


def test_missing_and_doubled_rows() -> None:
    assert problems(x=[A]) == ["in/b: row group 1: rows 0 to 3 are missing"]
    part = Piece("in/a", "v1", 0, 0, 4, 2)
    rest = Piece("in/a", "v1", 1, 1, 5)
    assert problems(x=[part, rest, B]) == [
        "in/a: row group 0: rows 0 to 1 are missing",
        "in/a: row group 0: rows 6 to 9 are missing",
    ]
    assert problems(x=[A, B], y=[part]) == ["in/a: row group 0: rows 2 to 5 are in x and y"]


def test_other_files() -> None:
    old, gone = Piece("in/a", "v0", 0, 1, 15), Piece("in/c", "v1", 0, 0, 1)
    assert problems(x=[old, B, gone]) == [
        "x: holds rows of in/a before it was changed",
        "x: holds rows of in/c, which is not in the input",
    ]
