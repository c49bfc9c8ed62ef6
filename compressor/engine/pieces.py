"""Texts cut where their tokenizer begins anew, so that each distinct piece is tokenised once.

Most tokenizers part a text at blanks before they look for sub-words, and what they make of a word
doesn't depend on its neighbours: the sub-words of a text are those of its pieces, one after the
other. Words repeat, so a corpus has few distinct pieces; these are known after a while, and the
rest is arithmetic. Whether a tokenizer is of this kind, `compressor.engine.anew` knows.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.engine.characters import (
    DIGIT,
    IDEOGRAPH,
    LETTER,
    OPEN,
    PUNCTUATION,
    class_table,
    code_points,
)
from compressor.engine.flat import FlatTexts, char_starts

Ints = npt.NDArray[np.int64]

_MOST_KNOWN = 200_000
"""Pieces that are remembered, about 50 MB; when there are more, all are forgotten."""
_LONGEST_KNOWN = 40
"""Characters of a piece that is remembered: longer ones seldom come again."""
_JOINED = 64
"""Pieces at most that are tokenised as one text."""


@dataclass(frozen=True, slots=True)
class SubWords:
    """Sub-words of n texts, one after the other.

    ids, start, end: int64 [t], offsets are characters within the text; splits: int64 [n + 1],
    text i holds sub-words splits[i] to splits[i + 1].
    """

    ids: Ints
    start: Ints
    end: Ints
    splits: Ints

    @property
    def counts(self) -> Ints:
        """Sub-words of each text, int64 [n]."""
        return np.diff(self.splits)

    def first(self, n: int) -> "SubWords":
        """Those of the first n texts."""
        t = int(self.splits[n])
        return SubWords(self.ids[:t], self.start[:t], self.end[:t], self.splits[: n + 1])

    def followed_by(self, other: "SubWords") -> "SubWords":
        """Those of these texts and of others behind them."""
        return SubWords(
            np.concatenate([self.ids, other.ids]),
            np.concatenate([self.start, other.start]),
            np.concatenate([self.end, other.end]),
            np.concatenate([self.splits, self.splits[-1] + other.splits[1:]]),
        )


class _Known:
    """Pieces seen before, by number; `table` never holds fewer than `number` refers to."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        nothing = np.zeros(0, np.int64)
        self.table = SubWords(nothing, nothing, nothing, np.zeros(1, np.int64))


class Pieces:
    """A tokenizer that begins anew at blanks, as arithmetic over its pieces. Thread-safe."""

    def __init__(self, tokenise: Callable[[Sequence[str]], SubWords]) -> None:
        """`tokenise` gives the sub-words of whole texts; none of them holds lone surrogates."""
        self._tokenise = tokenise
        self._known = _Known()
        self._lock = threading.Lock()

    def encode(self, texts: FlatTexts) -> SubWords:
        """What `tokenise` gives for the texts, blanks in front of a sub-word aside."""
        start, number, splits, table = self._cut(texts)
        size = np.diff(table.splits)[number]
        ends = np.cumsum(size)
        at = np.arange(int(size.sum())) + np.repeat(table.splits[number] - (ends - size), size)
        shift = np.repeat(start, size)
        ends = np.concatenate([[0], ends])
        return SubWords(table.ids[at], table.start[at] + shift, table.end[at] + shift, ends[splits])

    def count(self, texts: FlatTexts) -> Ints:
        """Sub-words of each text, int64 [n]."""
        _, number, splits, table = self._cut(texts)
        ends = np.concatenate([[0], np.cumsum(np.diff(table.splits)[number])])
        return np.diff(ends[splits])

    def _cut(self, texts: FlatTexts) -> tuple[Ints, Ints, Ints, SubWords]:
        """The pieces of texts: where each begins in its text, int64 [p]; its number in the table;

        splits, int64 [n + 1], text i has pieces splits[i] to splits[i + 1]; and the table.
        """
        chars = None if texts.is_ascii else char_starts(texts.data)
        base = texts.splits if chars is None else np.searchsorted(chars, texts.splits)
        code = texts.data if chars is None else code_points(texts.data.tobytes().decode())
        start = np.flatnonzero(_begins(code, base))
        splits = np.searchsorted(start, base)
        edges = np.append(start, len(code))
        if chars is not None:
            edges = np.append(chars, len(texts.data))[edges]
        pieces = pa.LargeStringArray.from_buffers(
            len(start), pa.py_buffer(edges), pa.py_buffer(texts.data)
        ).dictionary_encode()
        number, table = self._look_up(pieces.dictionary.to_pylist())
        row = np.repeat(base[:-1], np.diff(splits))
        return start - row, number[pieces.indices.to_numpy()], splits, table

    def _look_up(self, pieces: Sequence[str]) -> tuple[Ints, SubWords]:
        """The number of each of the pieces, which are distinct, in a table of sub-words."""
        known = self._known
        find = known.number.get
        number = np.fromiter((find(piece, -1) for piece in pieces), np.int64, len(pieces))
        table = known.table
        lacking = np.flatnonzero(number < 0)
        if not len(lacking):
            return number, table
        size = np.fromiter((len(pieces[at]) for at in lacking.tolist()), np.int64, len(lacking))
        lacking = lacking[np.argsort(size > _LONGEST_KNOWN, kind="stable")]
        fresh = [pieces[at] for at in lacking.tolist()]
        number[lacking] = len(table.splits) - 1 + np.arange(len(fresh))
        found = self._tokenised(fresh)
        self._remember(known, table, fresh, found.first(int((size <= _LONGEST_KNOWN).sum())))
        return number, table.followed_by(found)

    def _tokenised(self, pieces: Sequence[str]) -> SubWords:
        """The sub-words of each piece; a call of the tokenizer costs more than a short piece."""
        starts, joins = _joined(pieces)
        edges = np.append(np.flatnonzero(~joins), len(pieces))
        texts = ["".join(pieces[first:last]) for first, last in pairwise(edges.tolist())]
        found = self._tokenise(texts)
        base = starts[edges]
        shift = np.repeat(base[:-1], found.counts)
        start, end = found.start + shift, found.end + shift
        piece = np.searchsorted(starts[1:], end)
        if (start >= end).any() or (np.diff(piece) < 0).any():
            return self._tokenise(pieces)  # a sub-word without characters is nobody's
        splits = np.searchsorted(piece, np.arange(len(pieces) + 1))
        return SubWords(found.ids, start - starts[piece], end - starts[piece], splits)

    def _remember(
        self, known: _Known, table: SubWords, fresh: Sequence[str], found: SubWords
    ) -> None:
        with self._lock:
            if known is not self._known or table is not known.table:
                return  # another thread was quicker; these will be met again
            before, more = len(table.splits) - 1, len(found.splits) - 1
            if before + more > _MOST_KNOWN:
                self._known = _Known()
                return
            known.table = table.followed_by(found)
            known.number.update(zip(fresh[:more], range(before, before + more), strict=True))


def _joined(pieces: Sequence[str]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each piece begins when all are joined, int64 [p + 1]; and whether it may follow the

    one before it in one text, which then falls into just these pieces.
    """
    code = code_points("".join(pieces))
    size = np.fromiter(map(len, pieces), np.int64, len(pieces))
    starts = np.concatenate([[0], np.cumsum(size)])
    begins = _begins(code, np.array([0, len(code)]))
    return starts, begins[starts[:-1]] & (np.arange(len(pieces)) % _JOINED > 0)


@cache
def _is_solid() -> npt.NDArray[np.bool_]:
    """Characters that no tokenizer takes for white space or joins to the blank before them."""
    return np.isin(class_table(), (LETTER, DIGIT, IDEOGRAPH, OPEN, PUNCTUATION))


def _begins(code: npt.NDArray[Any], base: Ints) -> npt.NDArray[np.bool_]:
    """True where a piece begins: with a text, and before a single blank between solid characters.

    code: code points of texts, one after the other; base: int64 [n + 1], where each begins.
    """
    begins = np.zeros(len(code) + 1, bool)
    solid = _is_solid()[code]
    begins[1:-2] = (code[1:-1] == ord(" ")) & solid[:-2] & solid[2:]
    begins[base[1:] - 1] = False  # the last character of a text has nothing behind it
    begins[base] = True
    begins[-1] = False
    return begins[:-1]
