"""Long texts in windows that the model can read, cut at sentence ends.

Input: a `Batch`; output: spans of sub-words. A window never splits a word, and ends after a
sentence where one ends in its second half, else at a line break, else between two words.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.characters import IDEOGRAPH
from compressor.engine.document import Batch
from compressor.engine.sentences import closed

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Spans of sub-words of the whole batch, int64 [w] each."""

    first: Ints
    last: Ints


def cut_windows(batch: Batch, size: int, *, early: int | None = None) -> Windows:
    """Windows of at most `size` sub-words; they cover every sub-word once, in order.

    A sentence or line that ends within the first `early` sub-words of a window (null: half of
    them) doesn't end the window.
    """
    early = size // 2 if early is None else early
    first, last = batch.subwords.splits[:-1], batch.subwords.splits[1:]
    long = np.flatnonzero(last - first > size)
    if not len(long):
        some = last > first
        return Windows(first[some], last[some])
    is_long = np.zeros(len(batch), bool)
    is_long[long] = True
    words, sentences, lines = _cut_points(batch, np.flatnonzero(is_long[batch.row]))
    pieces = []
    for text in range(len(batch)):
        if last[text] - first[text] <= size:
            pieces.append(np.array([[first[text], last[text]]]))
        else:
            points = (sentences, early), (lines, early), (words, 0)
            pieces.append(_cut(int(first[text]), int(last[text]), size, points))
    spans = np.concatenate(pieces)
    spans = spans[spans[:, 1] > spans[:, 0]]
    return Windows(spans[:, 0], spans[:, 1])


def _cut(first: int, last: int, size: int, points: Iterable[tuple[Ints, int]]) -> Ints:
    """Spans of one text; the first kind of cut point with one in reach decides."""
    spans = []
    while last - first > size:
        for choice, nearest in points:
            at = int(np.searchsorted(choice, first + size, "right")) - 1
            if at >= 0 and choice[at] > first + nearest:
                cut = int(choice[at])
                break
        else:
            cut = first + size
        spans.append((first, cut))
        first = cut
    return np.array([*spans, (first, last)], np.int64)


def _cut_points(batch: Batch, some: Ints) -> tuple[Ints, Ints, Ints]:
    """Sub-words that begin a word, a sentence, a line, as sorted indices; of some units."""
    start, end, code = batch.units.start[some], batch.units.end[some], batch.code
    subword = np.searchsorted(_rising(batch.subwords.start), start)
    gap = np.zeros(len(some), bool)
    gap[1:] = start[1:] > end[:-1]
    line = np.cumsum(code == ord("\n"), dtype=np.int32)[start]
    new_line = np.concatenate([[True], line[1:] != line[:-1]])

    spaceless = batch.kind[start] == IDEOGRAPH
    sentence = np.zeros(len(some), bool)
    sentence[1:] = closed(code, end)[:-1] & (gap[1:] | spaceless[1:])
    return np.unique(subword), np.unique(subword[sentence]), np.unique(subword[new_line])


def _rising(start: Ints) -> Ints:
    """Starts made non-decreasing: a normaliser may swap two pieces of one character."""
    return np.maximum.accumulate(start) if len(start) else start
