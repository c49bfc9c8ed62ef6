"""Texts that the model has read: from its scores to compressions, at any rate, any number of times.

Reading is nearly all of the work; what a rate keeps follows from the scores.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from compressor.engine.calibration import Scored, calibrated
from compressor.engine.compression import Calibration, Compression, Threshold
from compressor.engine.document import Batch
from compressor.engine.flat import FlatTexts
from compressor.engine.options import Selection, check_rates, check_threshold
from compressor.engine.outcome import Outcome
from compressor.engine.render import Gaps
from compressor.engine.selection import choose
from compressor.engine.word_scores import word_means

Floats = npt.NDArray[np.float32]
Count = Callable[[FlatTexts], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Part:
    """A run of the texts, `chunk` of all of them, with P(keep) of its units, float32 [u]."""

    chunk: slice
    texts: Sequence[str]
    batch: Batch
    gaps: Gaps
    probability: Floats
    seconds: float

    @classmethod
    def of(
        cls, chunk: slice, texts: Sequence[str], batch: Batch, scores: Floats, seconds: float
    ) -> "Part":
        """scores: P(keep) of the sub-words; seconds: what the model took."""
        probability = word_means(batch, scores)
        return cls(chunk, texts[chunk], batch, Gaps.of(batch), probability, seconds)

    def outcome(self, options: Selection, count: Count) -> Outcome:
        """What the options keep of it."""
        rates, passages = options.rates[self.chunk], options.passages_of(self.chunk)
        kept = choose(self.batch, self.gaps, self.probability, rates, options, count, passages)
        return Outcome(self.texts, self.batch, self.gaps, self.probability, kept, self.seconds)


class ScoredTexts:
    """What `Compressor.score` gives."""

    def __init__(self, parts: Sequence[Part], options: Selection, count: Count) -> None:
        self._parts, self._options, self._count = parts, options, count

    def __len__(self) -> int:
        return len(self._options.rates)

    def compress(
        self, rate: float | Sequence[float], *, threshold: Threshold | None = None
    ) -> list[Compression]:
        """What `Compressor.compress` gives for the same texts and options at this rate.

        threshold: as there. Raises `ValueError` for values out of range.
        """
        return [one for part in self._chosen(rate, threshold) for one in part.compressions()]

    def calibrate(self, rate: float) -> Calibration:
        """What `Compressor.calibrate` gives for the same texts and options at this rate."""
        options = replace(self._options, rates=check_rates(rate, len(self)))
        scored = [
            Scored.of(part.batch, part.probability, options, options.passages_of(part.chunk))
            for part in self._parts
        ]
        return calibrated(scored, rate, options, self._count)

    def _chosen(
        self, rate: float | Sequence[float], threshold: Threshold | None
    ) -> Iterator[Outcome]:
        options = replace(
            self._options,
            rates=check_rates(rate, len(self)),
            threshold=check_threshold(threshold, self._options.coarse),
        )
        for part in self._parts:
            yield part.outcome(options, self._count)
