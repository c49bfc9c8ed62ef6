"""What comes out of the engine: compressed texts, one by one or in columns, or a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from compressor.engine.flat import FlatTexts

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Threshold = float | tuple[float, float]
"""Of words; or of words and of the means of sentences."""


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
    _original: str = field(repr=False)
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

    def _repr_html_(self) -> str:
        """What a notebook shows: the original, dropped words struck through and faded."""
        from compressor.report.notebook import fragment  # not before somebody looks

        return fragment(
            self._original, self.kept, self.original_tokens, self.compressed_tokens, self.note
        )


@dataclass(frozen=True, eq=False)
class Columns:
    """n compressed texts in columns, for tables: no Python object for each of them.

    original_tokens, compressed_tokens: int64 [n]; confidence: float32 [n], the sum of P(keep) over
    the words that were kept, as a share of that over all words: 1 where the model would have kept
    none of the others; notes: by row, where there is one; model_seconds: what the model took for
    them.
    """

    texts: FlatTexts
    original_tokens: Ints
    compressed_tokens: Ints
    confidence: Floats
    notes: Mapping[int, str]
    model_seconds: float

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def concat(cls, parts: Sequence["Columns"]) -> "Columns":
        """The rows of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        firsts = np.cumsum([0, *map(len, parts)]).tolist()
        nothing = [np.zeros(0, np.int64)]
        return cls(
            FlatTexts.concat([part.texts for part in parts]),
            np.concatenate(nothing + [part.original_tokens for part in parts]),
            np.concatenate(nothing + [part.compressed_tokens for part in parts]),
            np.concatenate([np.zeros(0, np.float32), *(part.confidence for part in parts)]),
            {
                first + row: note
                for first, part in zip(firsts, parts, strict=False)
                for row, note in part.notes.items()
            },
            sum(part.model_seconds for part in parts),
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """One threshold on P(keep) for a corpus, and the rate that it achieves on the sample.

    With coarse=sentence two: of words, and of the means of sentences.
    """

    threshold: Threshold
    rate: float


def _pairs(spans: Ints) -> list[tuple[int, int]]:
    return [(start, end) for start, end in spans.tolist()]
