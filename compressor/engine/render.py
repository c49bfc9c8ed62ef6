"""Keep mask in, text out: kept units with the original's own separators between them, reduced.

The kept bytes of a whole batch are taken at once. A separator needs no room of its own: where one
is written, at least a byte was dropped, so the last of these is taken too and written over.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.characters import IDEOGRAPH, OPEN, PUNCTUATION, SPACE
from compressor.engine.document import Batch
from compressor.engine.flat import Bytes, FlatTexts, char_starts, spans_of, utf8

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_NOTHING, _BLANK, _BREAK = 0, ord(" "), ord("\n")


@dataclass(frozen=True, slots=True)
class Gaps:
    """What rendering asks of a batch, counted once.

    blanks, breaks: white space and line breaks before each unit's start and before its end, int32
    [u, 2]; first, last: the bytes that each unit spans, int64 [u]; data: the batch's UTF-8, uint8.
    """

    blanks: npt.NDArray[np.int32]
    breaks: npt.NDArray[np.int32]
    first: Ints
    last: Ints
    data: Bytes

    @classmethod
    def of(cls, batch: Batch) -> "Gaps":
        start, end = batch.units.start, batch.units.end
        data = utf8(batch.text)
        if len(data) == len(batch.code):
            first, last = start, end
        else:
            place = np.append(char_starts(data), len(data))
            first, last = place[start], place[end]
        broken = (batch.code == ord("\n")) | (batch.code == ord("\r"))
        edges = np.stack([start, end], 1)
        blanks, breaks = (
            np.concatenate([np.zeros(1, np.int32), np.cumsum(flags, dtype=np.int32)])[edges]
            for flags in (batch.kind == SPACE, broken)
        )
        return cls(blanks, breaks, first, last, data)


def render(batch: Batch, gaps: Gaps, keep: Flags, rows: Ints) -> FlatTexts:
    """The kept text of some records (sorted indices); keep: bool [u]."""
    if len(rows) < len(batch):
        wanted = np.zeros(len(batch), bool)
        wanted[rows] = True
        keep = keep & wanted[batch.row]
    unit = np.flatnonzero(keep)
    separator = _separators(batch, gaps, unit)
    written = separator != _NOTHING
    first = gaps.first[unit] - written
    size = gaps.last[unit] - first
    data = spans_of(gaps.data, first, size)
    data[(np.cumsum(size) - size)[written]] = separator[written]
    lengths = np.bincount(batch.row[unit], size, len(batch)).astype(np.int64)[rows]
    return FlatTexts(data, np.concatenate([[0], np.cumsum(lengths)]))


def _separators(batch: Batch, gaps: Gaps, unit: Ints) -> Bytes:
    """What stands before each kept unit, uint8 [k]: a break, a blank, or nothing."""
    separator = np.full(len(unit), _NOTHING, np.uint8)
    if len(unit) < 2:
        return separator
    left, right = unit[:-1], unit[1:]
    a, b = batch.units.end[left], batch.units.start[right]
    broken = gaps.breaks[right, 0] > gaps.breaks[left, 1]
    spaced = gaps.blanks[right, 0] > gaps.blanks[left, 1]
    last, first = batch.kind[a - 1], batch.kind[b]
    # Dropped text without white space: words must not be glued, except where none is written.
    loose = (last == IDEOGRAPH) | (first == IDEOGRAPH) | (last == OPEN) | (first == PUNCTUATION)
    glued = (a == b) | batch.blank[left] | batch.blank[right]
    nothing = (batch.row[left] != batch.row[right]) | glued | ~(broken | spaced | ~loose)
    separator[1:] = np.where(nothing, _NOTHING, np.where(broken, _BREAK, _BLANK))
    return separator


def collapse(batch: Batch, keep: Flags) -> Flags:
    """Drop a force token that follows the same force token, nothing kept between them."""
    unit = np.flatnonzero(keep)
    occurrence, token, row = batch.occurrence[unit], batch.token[unit], batch.row[unit]
    again = np.zeros(len(unit), bool)
    again[1:] = (
        (token[1:] >= 0)
        & (token[1:] == token[:-1])
        & (occurrence[1:] != occurrence[:-1])
        & (row[1:] == row[:-1])
    )
    repeated = np.unique(occurrence[again])
    dropped = keep.copy()
    dropped[unit[np.isin(occurrence, repeated) & (token >= 0)]] = False
    return dropped
