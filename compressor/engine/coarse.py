"""Whole sentences before single words: which sentences of a scored batch go first.

LLMLingua-2's coarse stage: a sentence is worth the mean P(keep) of its words; the worst go until
what stays holds a share of the tokens, by default (rate + 1) / 2. Words of a sentence that goes are
not taken away but ranked behind all others, so that a budget is met whatever sentences there are,
and what is forced stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.budget import running
from compressor.engine.document import Batch
from compressor.engine.passages import Starts
from compressor.engine.sentences import sentence_starts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Rates = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sentences:
    """s sentences, or passages, of a batch.

    unit: int64 [u], the sentence of each unit, a mark's that of its word; row: int64 [s], their
    text; cost: int64 [s], tokens of their units; mean: float64 [s], of their words' P(keep).
    """

    unit: Ints
    row: Ints
    cost: Ints
    mean: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls, batch: Batch, probability: npt.NDArray[np.float32], passages: Starts | None = None
    ) -> "Sentences":
        """probability: float32 [u], of each unit."""
        starts, owner = sentence_starts(batch, passages), batch.units.owner
        unit, row = (np.cumsum(starts) - 1)[owner], batch.row[starts]
        word = (owner == np.arange(len(owner))) & ~batch.blank
        words = np.bincount(unit[word], minlength=len(row))
        # bincount adds up each sentence apart, in order: no rounding leaks between texts.
        total = np.bincount(unit[word], probability[word], len(row))
        cost = np.bincount(unit, batch.cost, len(row)).astype(np.int64)
        return cls(unit, row, cost, total / np.maximum(words, 1))

    def behind(self, wanted: Rates) -> Flags:
        """Units of sentences that go, bool [u]; wanted: float64 [n], tokens that stay of a text.

        A sentence goes where the better ones of its text hold that much; of equals the later one.
        """
        order = np.lexsort((-self.mean, self.row))
        row, cost = self.row[order], self.cost[order]
        goes = np.zeros(len(order), bool)
        goes[order] = running(row, cost) - cost >= wanted[row]
        return goes[self.unit]

    def below(self, threshold: float) -> Flags:
        """Units of sentences of a lower mean, bool [u]."""
        return np.asarray((self.mean < threshold)[self.unit])


def share(rate: Rates | float, coarse_share: float | None) -> Rates | float:
    """The share of the tokens that the sentences which stay hold."""
    return (rate + 1) / 2 if coarse_share is None else coarse_share


def sentence_threshold(parts: Sequence[Sentences], wanted: float) -> float:
    """The mean of the last sentence that stays where the best of all texts hold `wanted` tokens."""
    mean = np.concatenate([part.mean for part in parts])
    cost = np.concatenate([part.cost for part in parts])
    if not len(mean):
        return 0.0
    order = np.argsort(-mean, kind="stable")
    before = np.cumsum(cost[order]) - cost[order]
    stay = int(np.searchsorted(before, wanted))
    return float(mean[order][max(stay, 1) - 1])
