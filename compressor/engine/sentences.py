"""Where sentences end, on the arrays of a batch: for windows, and for dropping whole sentences.

A sentence ends behind an end mark and its closing quotes, and at a line break; not before a
lower-case letter, for lines are wrapped, nor behind an initial or a title ("J. Smith", "Dr. No").
A blank line ends it in any case. A text without such marks is one sentence.
"""

import numpy as np
import numpy.typing as npt

from compressor.engine.characters import IDEOGRAPH, LETTER, members
from compressor.engine.document import Batch
from compressor.engine.passages import Starts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_ENDS = members(".!?…。！？｡।؟")
_CLOSERS = members("\"'”’)]»」』）")
_SHORTENED = {
    "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Mt", "Sen", "Rep", "Gov", "Gen", "Col", "Capt", "Lt",
    "Sgt", "Rev", "Hon", "Fig", "Vol", "Jan", "Feb", "Mar", "Apr", "Aug", "Sept", "Oct", "Nov",
    "Dec",
}  # fmt: skip
"""Written with a full stop, and followed by a capital or a number inside a sentence."""
_LONGEST_SHORTENED = 4


def closed(code: npt.NDArray[np.uint32], end: Ints) -> Flags:
    """Whether a sentence may end behind each unit, bool [k]; end: int64 [k], where units end."""
    ending = np.isin(code[end - 1], _ENDS)
    behind = ending.copy()
    behind[1:] |= np.isin(code[end[1:] - 1], _CLOSERS) & ending[:-1]
    return behind


def sentence_starts(batch: Batch, passages: Starts | None = None) -> Flags:
    """True for the first unit of each sentence, bool [u].

    passages: of a text that is a list of passages, these are taken for its sentences.
    """
    starts = _starts(batch)
    starts[np.diff(batch.row, prepend=-1) != 0] = True
    for text, places in enumerate(passages or ()):
        if places is not None:
            own = slice(int(batch.splits[text]), int(batch.splits[text + 1]))
            starts[own] = False
            first = np.searchsorted(batch.units.start[own], batch.base[text] + places)
            starts[own.start + first[first < own.stop - own.start]] = True
    return starts


def _starts(batch: Batch) -> Flags:
    """The same of plain texts, but for the first unit of a text."""
    starts = np.zeros(len(batch.row), bool)
    solid = np.flatnonzero(~batch.blank)  # forced white space is part of the gap
    start, end = batch.units.start[solid], batch.units.end[solid]
    if len(solid) < 2:
        return starts
    lines = np.cumsum(batch.code == ord("\n"), dtype=np.int32)
    breaks = lines[start[1:]] - lines[end[:-1] - 1]
    parted = (start[1:] > end[:-1]) | (batch.kind[start[1:]] == IDEOGRAPH)
    last = np.flatnonzero((closed(batch.code, end)[:-1] & parted) | (breaks > 0))
    goes_on = _lower(batch.code[start[last + 1]]) | _shortened(batch, start, end, last)
    last = last[~goes_on | (breaks[last] > 1)]
    starts[solid[last + 1]] = True
    return starts


def _lower(code: npt.NDArray[np.uint32]) -> Flags:
    distinct, where = np.unique(code, return_inverse=True)
    return np.array([chr(one).islower() for one in distinct.tolist()], bool)[where]


def _shortened(batch: Batch, start: Ints, end: Ints, last: Ints) -> Flags:
    """Whether a full stop, one of the units `last`, ends a shortened word and no sentence."""
    word = np.maximum(last - 1, 0)
    stop = (last > 0) & (end[last] - start[last] == 1) & (batch.code[start[last]] == ord("."))
    stop &= end[word] == start[last]
    size = end[word] - start[word]
    initial = (size == 1) & (batch.kind[start[word]] == LETTER)
    initial |= (size > 2) & (batch.code[end[word] - 2] == ord("."))  # U.S.  e.g.
    listed = np.zeros(len(last), bool)
    maybe = np.flatnonzero(stop & (size <= _LONGEST_SHORTENED))
    spans = zip(start[word[maybe]].tolist(), end[word[maybe]].tolist(), strict=True)
    listed[maybe] = [batch.text[first:behind] in _SHORTENED for first, behind in spans]
    return np.asarray(stop & (initial | listed))
