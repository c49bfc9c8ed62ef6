"""One threshold for many texts, at which they are cut to a rate together.

LLMLingua-2, section 3.3 ("sample-wise dynamic compression ratio"): a dense text then gives less
than a wordy one. Input: scored batches; output: a `Calibration`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.coarse import Sentences, sentence_threshold, share
from compressor.engine.compression import Calibration, Threshold
from compressor.engine.document import Batch
from compressor.engine.options import Selection
from compressor.engine.passages import Starts
from compressor.engine.render import Gaps
from compressor.engine.selection import Count, at_threshold, counted, sentences_of
from compressor.engine.word_scores import priorities

Floats = npt.NDArray[np.float32]

_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch with P(keep) of its units, float32 [u], and its sentences where they count."""

    batch: Batch
    probability: Floats
    sentences: Sentences | None

    @classmethod
    def of(
        cls, batch: Batch, probability: Floats, options: Selection, passages: Starts | None
    ) -> "Scored":
        return cls(batch, probability, sentences_of(batch, probability, options, passages))


def calibrated(
    parts: Sequence[Scored], rate: float, options: Selection, count: Count
) -> Calibration:
    """The threshold, and the rate that it achieves on these texts."""
    total = sum(int(part.batch.tokens.sum()) for part in parts)
    if total == 0:
        nothing = 0.0 if options.coarse == "none" else (0.0, 0.0)
        return Calibration(nothing, 1.0)
    found: list[Calibration] = []
    budget = rate * total
    for _ in range(_ROUNDS):  # tokens merge or part where words go, so count and correct
        threshold = _threshold(parts, rate, budget, options)
        kept = 0
        for part in parts:
            batch, sentences = part.batch, part.sentences
            keep = at_threshold(batch, part.probability, sentences, threshold, options)
            kept += int(counted(batch, Gaps.of(batch), keep, count).sum())
        found.append(Calibration(threshold, kept / total))
        budget += rate * total - kept
    return min(found, key=lambda one: abs(one.rate - rate))


def _threshold(
    parts: Sequence[Scored], rate: float, budget: float, options: Selection
) -> Threshold:
    """At which about `budget` tokens stay."""
    if options.coarse == "none":
        return threshold_for(parts, round(budget))
    sentences = [part.sentences for part in parts if part.sentences is not None]
    cost = sum(int(part.batch.cost.sum()) for part in parts)
    wanted = max(float(share(rate, options.coarse_share)) * cost, budget)
    sentence = sentence_threshold(sentences, wanted)
    return threshold_for(parts, round(budget), sentence), sentence


def threshold_for(parts: Sequence[Scored], budget: int, sentence: float | None = None) -> float:
    """The lowest priority that still fits when units of all texts are taken by falling priority.

    sentence: of sentences of at least this mean alone; forced units count in any case.
    """
    priority = np.concatenate([priorities(part.batch, part.probability) for part in parts])
    cost = np.concatenate([part.batch.cost for part in parts])
    forced = np.concatenate([part.batch.forced for part in parts])
    free = ~forced
    if sentence is not None:
        free &= ~np.concatenate(
            [part.sentences.below(sentence) for part in parts if part.sentences is not None]
        )
    left = budget - int(cost[forced].sum())
    order = np.argsort(-priority[free], kind="stable")
    running = np.cumsum(cost[free][order])
    fits = int(np.searchsorted(running, left, "right"))
    if fits == 0:
        return float(np.nextafter(np.float32(1), np.float32(2)))
    return float(priority[free][order[fits - 1]])
