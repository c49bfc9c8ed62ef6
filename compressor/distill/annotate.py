"""Graded labels for the words of a passage, from the teacher's two compressions of it.

In: `text`, `half` (what the teacher kept) and `quarter` (what it kept of `half`), both made by
deleting words; punctuation attached to a word may be missing. Out: every word of `text` as a
character span with a label, 1.0 in `quarter`, 0.5 in `half` only, 0.0 dropped.

A teacher doesn't always keep to deleting: words that it inflected or moved are found all the same,
those that it invented are left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.distill.align import NOWHERE, align
from compressor.distill.words import Word, split_words

Ints = npt.NDArray[np.int64]

IN_QUARTER, IN_HALF, DROPPED = 1.0, 0.5, 0.0


@dataclass(frozen=True)
class Annotation:
    """Labels of one passage.

    `spans`: int64 [words, 2], character offsets [start, end), in order, blanks left out.
    `labels`: float32 [words]. `unmatched`: words and marks of the compressions that
    have no place in the passage; 0 for pure deletions.
    """

    spans: Ints
    labels: npt.NDArray[np.float32]
    unmatched: int


def annotate(text: str, half: str, quarter: str | None) -> Annotation:
    """Label every word of `text` by where the teacher kept it.

    `quarter` is aligned within what was kept for `half`, so the labels are nested by construction.
    Without it, `half` is the only level: 1.0 kept, 0.0 dropped.
    """
    words = split_words(text)
    labels = np.full(len(words), DROPPED, np.float32)
    in_half, unmatched = _kept(words, half)
    labels[in_half] = IN_QUARTER if quarter is None else IN_HALF
    if quarter is not None:
        in_quarter, invented = _kept([words[i] for i in in_half], quarter)
        labels[in_half[in_quarter]] = IN_QUARTER
        unmatched += invented
    spans = np.array([(w.start, w.start + len(w.text)) for w in words], np.int64).reshape(-1, 2)
    return Annotation(spans, labels, unmatched)


def _kept(words: Sequence[Word], compressed: str) -> tuple[Ints, int]:
    """Positions in `words` of what `compressed` keeps, rising; how many of its words have none."""
    positions = align(words, split_words(compressed))
    found = positions[positions != NOWHERE]
    return np.sort(found), len(positions) - len(found)
