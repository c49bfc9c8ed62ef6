"""What comes out of the engine: a compressed text with its spans, or a calibrated threshold."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Compression:
    """A compressed text.

    text: the kept words; original_tokens, compressed_tokens: counted by the tokenizer that was
    asked for; probabilities: float32 [len(words)], P(keep); note: why the budget could not be
    met, or None.
    """

    text: str
    original_tokens: int
    compressed_tokens: int
    probabilities: Floats = field(repr=False)
    note: str | None
    _words: Ints = field(repr=False)
    _kept: Ints = field(repr=False)

    @cached_property
    def words(self) -> list[tuple[int, int]]:
        """Character spans of all words and punctuation of the original, in order."""
        return _pairs(self._words)

    @cached_property
    def kept(self) -> list[tuple[int, int]]:
        """Character spans of the original that `text` is made of, in order."""
        return _pairs(self._kept)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One threshold on P(keep) for a corpus, and the rate that it achieves on the sample."""

    threshold: float
    rate: float


def _pairs(spans: Ints) -> list[tuple[int, int]]:
    return [(start, end) for start, end in spans.tolist()]
