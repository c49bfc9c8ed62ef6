"""What the policy gets to see: candidate shots and the question that is asked, made into tensors.

In: shots with their nearness to a question (or none). Out: their `Words` and what is `Seen`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.subwords import TokenCounter
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.policy import Seen, positions_of
from compressor.reinforce.shots import Shot
from compressor.reinforce.words import Words

if TYPE_CHECKING:
    from compressor.engine.compressor import Compressor

Floats = npt.NDArray[np.floating]

TYPICAL_TOKENS = 128
"""Of a shot. The length feature is relative to it, not to the neighbours, which vary."""
_LEAST = 1e-3
"""Probabilities nearer to 0 or 1 count as this near: their logits would drown all else."""


@dataclass(frozen=True)
class Candidates:
    """Shots among which a policy chooses, nearest first, and all that it sees of them."""

    shots: Sequence[Shot]
    words: Words
    seen: Seen


class Observer:
    """Makes candidates of shots; holds the encoder and, where it takes part, the compressor."""

    def __init__(
        self, encoder: Encoder, counter: TokenCounter, compressor: str | None, device: str = "auto"
    ) -> None:
        """counter: the judge's tokenizer; compressor: the model whose P(keep) is a feature."""
        self.encoder = encoder
        self.counter = counter
        self._compressor_name = compressor
        self._device = device

    def observe(self, shots: Sequence[Shot], nearness: Floats | None = None) -> Candidates:
        """nearness: float [k], to the question that is asked; None: none is asked."""
        words = Words.of(shots, self.encoder.tokenizer, self.counter)
        encoded = self.encoder.encode(words.batch)
        at, of_word = positions_of(words, encoded)
        near = np.zeros(len(shots)) if nearness is None else standardised(nearness)
        length = words.whole / TYPICAL_TOKENS - 1
        logits = self._compressor_logits(words, [shot.text for shot in shots])
        inside = words.in_question.astype(np.float64)
        seen = Seen(
            encoded,
            at,
            of_word,
            torch.from_numpy(np.stack([near, length], 1)).float(),
            torch.from_numpy(np.stack([inside, logits * inside, logits * (1 - inside)], 1)).float(),
        )
        return Candidates(shots, words, seen)

    @cached_property
    def _compressor(self) -> "Compressor":
        from compressor.engine.compressor import Compressor

        assert self._compressor_name is not None
        return Compressor.from_pretrained(self._compressor_name, device=self._device)

    def _compressor_logits(self, words: Words, texts: Sequence[str]) -> Floats:
        """float64 [w]; 0 without a compressor."""
        found = np.zeros(len(words.row))
        if self._compressor_name is None:
            return found
        row, start = words.starts()
        for shot, result in enumerate(self._compressor.compress(texts, 1.0)):
            mine = row == shot
            if len(result.words) and mine.any():
                ends = np.array([end for _, end in result.words])
                at = np.minimum(np.searchsorted(ends, start[mine], "right"), len(ends) - 1)
                p = result.probabilities[at].astype(np.float64).clip(_LEAST, 1 - _LEAST)
                found[mine] = np.log(p / (1 - p))
        return found


def standardised(values: Floats) -> Floats:
    """Mean 0, deviation 1; zeros where all are alike."""
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros(len(values))
