"""Many texts as one run of UTF-8 bytes: what rendering makes, counting reads and a table takes.

A list of Python strings costs an object for each text and a copy at each step; this costs neither.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FlatTexts(Sequence[str]):
    """n texts, one after the other.

    data: uint8 [b], UTF-8; lone surrogates are encoded as if they were characters; splits:
    int64 [n + 1], text i has bytes splits[i] to splits[i + 1].
    """

    data: Bytes
    splits: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "FlatTexts":
        """The same texts, flat."""
        if isinstance(texts, FlatTexts):
            return texts
        data = utf8("".join(texts))
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        splits = np.concatenate([[0], np.cumsum(lengths)])
        if len(data) > splits[-1]:
            splits = np.append(char_starts(data), len(data))[splits]
        return cls(data, splits)

    @classmethod
    def concat(cls, parts: Sequence["FlatTexts"]) -> "FlatTexts":
        """The texts of all parts, in order."""
        data = np.concatenate([np.zeros(0, np.uint8), *(part.data for part in parts)])
        lengths = [np.zeros(1, np.int64), *(np.diff(part.splits) for part in parts)]
        return cls(data, np.cumsum(np.concatenate(lengths)))

    def take(self, rows: Ints) -> "FlatTexts":
        """The texts of these rows, in their order."""
        first, size = self.splits[rows], np.diff(self.splits)[rows]
        return FlatTexts(spans_of(self.data, first, size), np.concatenate([[0], np.cumsum(size)]))

    def __len__(self) -> int:
        return len(self.splits) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        part = self.data[self.splits[row] : self.splits[row + 1]]
        return part.tobytes().decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        data, splits = self.data.tobytes(), self.splits.tolist()
        for first, last in pairwise(splits):
            yield data[first:last].decode("utf-8", "surrogatepass")

    @cached_property
    def is_ascii(self) -> bool:
        return not len(self.data) or bool(self.data.max() < 128)

    @cached_property
    def has_surrogates(self) -> bool:
        """True where a lone surrogate is in a text: no tokenizer and no table takes that."""
        if self.is_ascii:
            return False
        return bool(((self.data[:-1] == 0xED) & (self.data[1:] >= 0xA0)).any())


def spans_of(data: Bytes, first: Ints, size: Ints) -> Bytes:
    """The bytes of spans, one span after the other."""
    place = np.cumsum(size) - size
    return np.asarray(data[np.arange(int(size.sum())) + np.repeat(first - place, size)])


def utf8(text: str) -> Bytes:
    """The bytes of a text, lone surrogates included."""
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def char_starts(data: Bytes) -> Ints:
    """The byte at which each character begins, int64 [characters]."""
    return np.flatnonzero((data & 0xC0) != 0x80)
