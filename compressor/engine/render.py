"""Keep mask in, text out: kept units with the original's own separators between them, reduced."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.characters import IDEOGRAPH, OPEN, PUNCTUATION, SPACE, members
from compressor.engine.document import Batch

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_LINE_BREAKS = members("\n\r")
_NOTHING, _BLANK, _BREAK = range(3)
_SEPARATOR = np.array([0, ord(" "), ord("\n")], np.uint32)


@dataclass(frozen=True, slots=True)
class Gaps:
    """White space before each character of a batch, counted: int64 [c + 1] each."""

    blanks: Ints
    breaks: Ints

    @classmethod
    def of(cls, batch: Batch) -> "Gaps":
        count = [batch.kind == SPACE, np.isin(batch.code, _LINE_BREAKS)]
        blanks, breaks = (np.concatenate([[0], np.cumsum(flags)]) for flags in count)
        return cls(blanks, breaks)


def render(batch: Batch, gaps: Gaps, keep: Flags, rows: Ints) -> list[str]:
    """The kept text of some records (sorted indices); keep: bool [u]."""
    wanted = np.zeros(len(batch), bool)
    wanted[rows] = True
    unit = np.flatnonzero(keep & wanted[batch.row])
    start, end, row = batch.units.start[unit], batch.units.end[unit], batch.row[unit]
    separator = _separators(batch, gaps, unit)

    size = end - start
    lead = (separator != _NOTHING).astype(np.int64)
    place = np.cumsum(size + lead) - size
    text = np.empty(int(np.sum(size + lead)), np.uint32)
    text[place[lead > 0] - 1] = _SEPARATOR[separator[lead > 0]]
    inner = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    text[np.repeat(place, size) + inner] = batch.code[np.repeat(start, size) + inner]

    whole = text.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    lengths = np.bincount(row, size + lead, len(batch)).astype(np.int64)[rows]
    ends = np.cumsum(lengths)
    return [whole[a:b] for a, b in zip((ends - lengths).tolist(), ends.tolist(), strict=True)]


def _separators(batch: Batch, gaps: Gaps, unit: Ints) -> Ints:
    """What stands before each kept unit, int64 [k]: a break, a blank, or nothing."""
    separator = np.full(len(unit), _NOTHING)
    if len(unit) < 2:
        return separator
    left, right = unit[:-1], unit[1:]
    a, b = batch.units.end[left], batch.units.start[right]
    broken = gaps.breaks[b] > gaps.breaks[a]
    spaced = gaps.blanks[b] > gaps.blanks[a]
    last, first = batch.kind[a - 1], batch.kind[b]
    # Dropped text without white space: words must not be glued, except where none is written.
    loose = (last == IDEOGRAPH) | (first == IDEOGRAPH) | (last == OPEN) | (first == PUNCTUATION)
    glued = (a == b) | batch.blank[left] | batch.blank[right]
    separator[1:] = np.select(
        [batch.row[left] != batch.row[right], glued, broken, spaced, loose],
        [_NOTHING, _NOTHING, _BREAK, _BLANK, _NOTHING],
        _BLANK,
    )
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
