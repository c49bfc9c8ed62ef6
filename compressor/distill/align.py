"""Where the words of a compression stand in their passage: alignment in order, then moved words.

In: words of the passage and of the compression. Out: for each word of the compression its position
in the passage, or none. Of all ways to read the compression off the passage in order, the one with
the most words is taken, and of these one that falls into the fewest runs of neighbouring words. A
greedy search from a moving pointer takes the first "the" in sight and puts the label on the wrong
one. Words that are left over were moved or invented; they are looked for around their neighbours.

The work is bounded: a word is looked for within `REACH` words of where those lead to that occur
once in both texts (anchors), so time and memory grow with words x repetitions in reach.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from compressor.distill.words import Vocabulary, Word

Ints = npt.NDArray[np.int64]

NOWHERE = -1
REACH = 400
CROWD = 50  # a ruler of a thousand dashes is no thousand places to choose from

# Worth of what two words in a row can share, and of the same case. All of it together is worth
# less than that one word more is equal and not just a form, and that less than one word more.
_NEIGHBOURS, _GLUED, _ACROSS_MARK, _SAME_CASE = 40, 20, 30, 5
_BONUS_PER_WORD = _NEIGHBOURS + _GLUED + _SAME_CASE

# Equal words that may be expected by chance as near as the one that is taken for a moved word.
_CHANCE = 0.5


def align(source: Sequence[Word], kept: Sequence[Word]) -> Ints:
    """The position in `source` of each word of `kept`, NOWHERE where it has none: int64 [kept].

    Positions are all different. They rise, but for words that the compression has in another place
    than the passage. Words are compared as `words` says; of equals, the same case is preferred.
    What is still open falls as late as possible, so that a lone function word stands before the
    kept word that it leads to.
    """
    places = _Places(source)
    positions = np.full(len(kept), NOWHERE, np.int64)
    for i, j in _in_order(places, kept):
        positions[i] = j
    _find_moved(places, kept, positions)
    return positions


class _Places:
    """The source words and where each word of its vocabulary occurs."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.is_mark = [word.is_mark for word in words]
        self.vocabulary = Vocabulary(words)
        self._of_code: list[list[int]] = [[] for _ in self.vocabulary.codes]
        for position, word in enumerate(words):
            self._of_code[self.vocabulary.codes[word.key]].append(position)

    def equal(self, word: Word) -> list[int]:
        """Positions of the same word, rising."""
        code = self.vocabulary.codes.get(word.key)
        return [] if code is None else self._of_code[code]

    def forms(self, word: Word) -> list[int]:
        """Positions of other forms of the word, rising."""
        codes = self.vocabulary.forms(word.key)
        return sorted(position for code in codes for position in self._of_code[code])


class _Match(NamedTuple):
    """A word of the compression read at a place of the passage, and the best reading before it."""

    worth: int
    row: int
    place: int
    before: "_Match | None"


_START = _Match(0, -1, -1, None)


def _in_order(places: _Places, kept: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Pairs (index in `kept`, position in the source) of the best reading, last pair first.

    `front` holds the readings that are not beaten by one that ends earlier: places and worths rise.
    The best reading that a match at j can follow is the last one of `front` that ends before j.
    """
    as_equal = _BONUS_PER_WORD * (len(kept) + 1)
    as_match = as_equal * (len(kept) + 1)
    front, ends = [_START], [_START.place]
    row_before: dict[int, _Match] = {}
    for i, (word, centres) in enumerate(zip(kept, _centres(places, kept), strict=True)):
        row: dict[int, _Match] = {}
        for positions, worth in (
            (places.equal(word), as_match + as_equal),
            (places.forms(word), as_match),
        ):
            for j in _near(positions, centres):
                before, bonus = _best_before(places, word, j, row_before, front, ends)
                bonus += _SAME_CASE * (places.words[j].text == word.text)
                row[j] = _Match(before.worth + worth + bonus, i, j, before)
        for match in sorted(row.values(), key=lambda match: match.place):
            at = bisect_right(ends, match.place)
            if front[at - 1].worth > match.worth:
                continue
            at -= ends[at - 1] == match.place
            after = at
            while after < len(front) and front[after].worth <= match.worth:
                after += 1
            front[at:after], ends[at:after] = [match], [match.place]
        row_before = row
    last: _Match | None = front[-1]
    while last is not None and last is not _START:
        yield last.row, last.place
        last = last.before


def _best_before(
    places: _Places,
    word: Word,
    j: int,
    row_before: dict[int, _Match],
    front: list[_Match],
    ends: list[int],
) -> tuple[_Match, int]:
    """The reading that a match of `word` at `j` follows, and the worth of being its neighbour."""
    best, bonus = front[bisect_left(ends, j) - 1], 0
    if (near := row_before.get(j - 1)) is not None:
        worth = _NEIGHBOURS + _GLUED * (word.glued and places.words[j].glued)
        if near.worth + worth >= best.worth:
            best, bonus = near, worth
    across = row_before.get(j - 2) if j > 1 and places.is_mark[j - 1] else None
    if across is not None and across.worth + _ACROSS_MARK >= best.worth + bonus:
        best, bonus = across, _ACROSS_MARK
    return best, bonus


def _centres(places: _Places, kept: Sequence[Word]) -> list[list[float]]:
    """For each word of `kept` the positions around which it is looked for, rising.

    They are the nearest anchors before and after it, because a teacher keeps words up to a place
    and goes on far behind it, and where it stands if it lies evenly between them.
    """
    ends = [(-1, -1), *_anchors(places, kept), (len(kept), len(places.words))]
    rows, targets = np.array(ends, np.float64).T
    i = np.arange(len(kept))
    after = np.searchsorted(rows, i, side="right")
    even = np.interp(i, rows, targets)
    centres = np.stack([targets[after - 1], even, targets[after]], axis=1)
    return [list(row) for row in centres.tolist()]


def _near(positions: list[int], centres: Sequence[float]) -> Iterator[int]:
    """Those of `positions` within REACH, and CROWD of them, of one of the centres; both rise."""
    start = 0
    for centre in centres:
        middle = bisect_left(positions, centre)
        first = max(start, middle - CROWD, bisect_left(positions, centre - REACH))
        end = min(middle + CROWD, bisect_right(positions, centre + REACH))
        yield from positions[first:end]
        start = max(start, end)


def _anchors(places: _Places, kept: Sequence[Word]) -> list[tuple[int, int]]:
    """Pairs of words that occur once in both texts: the longest list that rises in both."""
    once: dict[str, int] = {}
    for i, word in enumerate(kept):
        once[word.key] = NOWHERE if word.key in once else i
    pairs = [
        (i, at[0]) for key, i in once.items() if i >= 0 and len(at := places.equal(kept[i])) == 1
    ]
    tails: list[int] = []  # the smallest end of a rising list of each length, and which pair it is
    which: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(tails, j)
        before.append(which[length - 1] if length else NOWHERE)
        tails[length : length + 1], which[length : length + 1] = [j], [index]
    chain: list[tuple[int, int]] = []
    index = which[-1] if which else NOWHERE
    while index != NOWHERE:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]


def _find_moved(places: _Places, kept: Sequence[Word], positions: Ints) -> None:
    """Give words without a position the free place nearest to where their neighbours stand.

    Rare words first: where they stand tells about the frequent ones beside them. A word with
    several free places gets none where the nearest is so far that one would be there by chance:
    "the" is rather invented than moved. Marks out of order were put there by the teacher.
    """
    free = np.ones(len(places.words), np.bool_)
    free[positions[positions != NOWHERE]] = False
    missing = [i for i in np.flatnonzero(positions == NOWHERE).tolist() if not kept[i].is_mark]
    for find in (places.equal, places.forms):
        for i in sorted(missing, key=lambda i: len(find(kept[i]))):
            candidates = [j for j in find(kept[i]) if free[j]]
            if positions[i] != NOWHERE or not candidates:
                continue
            expected = _expected(positions, i)
            distance, best = min((min(abs(j - e) for e in expected), j) for j in candidates)
            by_chance = len(candidates) / len(places.words) * (2 * distance + 1)
            if distance <= REACH and (len(candidates) == 1 or by_chance <= _CHANCE):
                positions[i] = best
                free[best] = False


def _expected(positions: Ints, i: int) -> list[int]:
    """Where word `i` would stand as the neighbour of the nearest placed words on either side."""
    placed = np.flatnonzero(positions != NOWHERE)
    at = int(np.searchsorted(placed, i))
    expected = [int(positions[placed[at - 1]]) + 1] if at else []
    expected += [int(positions[placed[at]]) - 1] if at < len(placed) else []
    return expected or [0]
