"""Whether the files of an output hold each row of the input once, by the rows they say they hold.

Input: the input's files and the records in the footers of the output's; output: problems.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compressor.corpus.files import SourceFile
from compressor.corpus.shards import Piece

Interval = tuple[int, int, str]  # first row, row after the last, output file


def pieces_of(record: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The parts of the input that an output file holds."""
    return tuple(Piece(**piece) for piece in record["pieces"])


def check_coverage(
    files: Sequence[SourceFile], records: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield a line for each row group that is missing, partly there, twice there or outdated."""
    versions = {file.path: file.version for file in files}
    rows = {
        (file.path, number): group.rows
        for file in files
        for number, group in enumerate(file.row_groups)
    }
    held: dict[tuple[str, int], list[Interval]] = {key: [] for key in rows}
    for name, record in records.items():
        for piece in pieces_of(record):
            if piece.path not in versions:
                yield f"{name}: holds rows of {piece.path}, which is not in the input"
            elif piece.version != versions[piece.path]:
                yield f"{name}: holds rows of {piece.path} before it was changed"
            for key, first, last in _intervals(piece, rows):
                held[key].append((first, last, name))
    for (path, number), intervals in held.items():
        yield from _gaps(f"{path}: row group {number}", rows[path, number], sorted(intervals))


def _intervals(
    piece: Piece, rows: Mapping[tuple[str, int], int]
) -> Iterator[tuple[tuple[str, int], int, int]]:
    for number in range(piece.first, piece.last + 1):
        key = piece.path, number
        if key not in rows:
            continue
        if piece.start is None:
            yield key, 0, rows[key]
        else:
            yield key, piece.start, piece.start + piece.rows


def _gaps(where: str, rows: int, intervals: Sequence[Interval]) -> Iterator[str]:
    position, before = 0, ""
    for first, last, name in intervals:
        if first > position:
            yield f"{where}: rows {position} to {first - 1} are missing"
        elif first < position:
            yield f"{where}: rows {first} to {min(position, last) - 1} are in {before} and {name}"
        position, before = max(position, last), name
    if position < rows:
        yield f"{where}: rows {position} to {rows - 1} are missing"
