"""Graded labels for the words of a passage, from the teacher's two compressions of it.

In: `text`, `half` (what the teacher kept) and `quarter` (what it kept of `half`), both made by
deleting words; punctuation attached to a word may be missing. Out: every word of `text` as a
character span with a label, 1.0 in `quarter`, 0.5 in `half` only, 0.0 dropped.

Which of several equal words was kept is decided by alignment: of all ways to read a compression
off its passage in order, take one that falls into the fewest runs of neighbouring words. A greedy
search from a moving pointer takes the first "the" in sight and puts the label on the wrong one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.distill.words import Word, split_words

Ints = npt.NDArray[np.int64]

IN_QUARTER, IN_HALF, DROPPED = 1.0, 0.5, 0.0

# Worth of what two words in a row can share; a matched word is worth more than all of it together.
_NEIGHBOURS, _GLUED, _ACROSS_MARK, _SAME_CASE = 40, 20, 30, 5
_BONUS_PER_WORD = _NEIGHBOURS + _GLUED + _SAME_CASE


@dataclass(frozen=True)
class Annotation:
    """Labels of one passage.

    `spans`: int64 [words, 2], character offsets [start, end), in order, blanks left out.
    `labels`: float32 [words]. `unmatched`: words of the compressions that the passage doesn't hold
    in order; 0 for pure deletions.
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
    in_half, unmatched = align(words, split_words(half))
    labels[in_half] = IN_QUARTER if quarter is None else IN_HALF
    if quarter is not None:
        in_quarter, invented = align([words[i] for i in in_half], split_words(quarter))
        labels[in_half[in_quarter]] = IN_QUARTER
        unmatched += invented
    spans = np.array([(w.start, w.start + len(w.text)) for w in words], np.int64).reshape(-1, 2)
    return Annotation(spans, labels, unmatched)


def align(source: Sequence[Word], kept: Sequence[Word]) -> tuple[Ints, int]:
    """Positions in `source` of the words of `kept`, rising, and how many words of `kept` have none.

    Maximises first the number of matched words (equal up to case), then neighbours: pairs that
    follow each other in both. What is still open falls as late as possible, so that a lone
    function word stands before the kept word that it leads to. Takes
    O(len(source) * len(kept)) time and three bytes of that: align passages, not books.
    """
    n, m = len(kept), len(source)
    if not n or not m:
        return np.empty(0, np.int64), n
    take, left, step = _fill(source, kept)
    positions: list[int] = []
    i, j = n, m
    while i and j:
        if take[i, j]:
            positions.append(j - 1)
            # Follow the chain of neighbours to its start: they were scored together.
            while hop := int(step[i, j]):
                i, j = i - 1, j - hop
                positions.append(j - 1)
            i, j = i - 1, j - 1
        elif left[i, j]:
            j -= 1
        else:
            i -= 1
    return np.array(positions[::-1], np.int64), n - len(positions)


def _fill(
    source: Sequence[Word], kept: Sequence[Word]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.int8]]:
    """Score all prefixes against each other, a row of `kept` at a time.

    Three arrays [len(kept) + 1, len(source) + 1]. `take[i, j]`: the best reading of the first i
    kept words from the first j source words ends with a match of both last ones. `left[i, j]`: it
    is as good without the last source word. `step[i, j]`: if they match, how far back in the source
    the kept word before lies as its neighbour (1, or 2 across a punctuation mark; 0 = anywhere).
    """
    codes = {key: code for code, key in enumerate({word.text.casefold() for word in source})}
    source_codes = np.array([codes[word.text.casefold()] for word in source])
    source_texts = np.array([word.text for word in source], dtype=object)
    source_glued = np.array([word.glued for word in source])
    is_mark = np.array([not (word.text[0].isalnum() or word.text[0] == "_") for word in source])
    n, m = len(kept), len(source)
    take = np.zeros((n + 1, m + 1), np.bool_)
    left = np.zeros((n + 1, m + 1), np.bool_)
    step = np.zeros((n + 1, m + 1), np.int8)
    match_worth = _BONUS_PER_WORD * (n + 1)
    impossible = np.iinfo(np.int64).min // 2
    best = np.zeros(m + 1, np.int64)  # of the row before, any reading
    ends = np.full(m + 1, impossible)  # of the row before, readings that end with a match at j
    for i, word in enumerate(kept, start=1):
        near = ends[:-1] + _NEIGHBOURS + _GLUED * (source_glued & word.glued)
        across = np.full(m, impossible)
        across[1:] = np.where(is_mark[:-1], ends[:-2] + _ACROSS_MARK, impossible)
        options = np.stack([best[:-1], near, across])
        # Among equals the neighbour: argmax takes the first, so it is listed last to first.
        choice = 2 - np.argmax(options[::-1], axis=0)
        worth = match_worth + _SAME_CASE * (source_texts == word.text)
        equal = source_codes == codes.get(word.text.casefold(), -1)
        now = np.full(m + 1, impossible)
        now[1:] = np.where(equal, options.max(axis=0) + worth, impossible)
        reached = np.maximum.accumulate(np.maximum(best, now))
        take[i] = (now == reached) & (now > 0)
        left[i, 1:] = reached[1:] == reached[:-1]
        step[i, 1:] = choice
        best, ends = reached, now
    return take, left, step
