"""What the policy gets to see: candidate shots and the question that is asked, made into tensors.

In: shots with their nearness to a question (or none). Out: their `Words` and what is `Seen`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.subwords import TokenCounter
from compressor.reinforce.encoder import Encoder, in_rows
from compressor.reinforce.policy import Seen, positions_of
from compressor.reinforce.shots import Shot
from compressor.reinforce.words import Words

if TYPE_CHECKING:
    from compressor.engine.compressor import Compressor

Floats = npt.NDArray[np.floating]

TYPICAL_TOKENS = 128
"""Of a shot. The length feature is relative to it, not to the neighbours, which vary."""
TYPICAL_LINES, TYPICAL_NEARNESS = 4, 0.5
"""Of a solution; of a candidate: what the features are relative to."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_REMEMBERED_AT_ONCE = 64
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
        self._known: dict[str, tuple[torch.Tensor, Floats]] = {}

    def remember(self, shots: Sequence[Shot]) -> None:
        """Encode shots once, in batches that don't depend on who asks; `observe` looks them up."""
        for first in range(0, len(shots), _REMEMBERED_AT_ONCE):
            some = shots[first : first + _REMEMBERED_AT_ONCE]
            words = Words.of(some, self.encoder.tokenizer, self.counter)
            counts = words.batch.subwords.counts
            states = torch.split(self.encoder.states(words.batch), counts.tolist())
            logits = self._compressor_logits(words, [shot.text for shot in some])
            parts = np.split(logits, np.cumsum(np.bincount(words.row, minlength=len(some)))[:-1])
            for shot, own, chances in zip(some, states, parts, strict=True):
                self._known[shot.text] = own, chances

    def observe(
        self,
        shots: Sequence[Shot],
        nearness: Floats | None = None,
        question: str | None = None,
    ) -> Candidates:
        """nearness: float [k], to the question that is asked; None: none is asked."""
        words = Words.of(shots, self.encoder.tokenizer, self.counter)
        states, logits = self._states_and_logits(shots, words)
        encoded = in_rows(states, words.batch.subwords.counts)
        at, of_word = positions_of(words, encoded)
        inside = words.in_question.astype(np.float64)
        of_shots = shot_features(shots, words.whole, nearness, question)
        of_words = np.stack([inside, logits * inside, logits * (1 - inside)], 1)
        features = (
            torch.from_numpy(some).float().to(states.device) for some in (of_shots, of_words)
        )
        return Candidates(shots, words, Seen(encoded, at, of_word, *features))

    def _states_and_logits(
        self, shots: Sequence[Shot], words: Words
    ) -> tuple[torch.Tensor, Floats]:
        """Hidden states, float32 [t, D], and the compressor's logits, float64 [w]."""
        texts = [shot.text for shot in shots]
        if all(text in self._known for text in texts) and texts:
            known = [self._known[text] for text in texts]
            return torch.cat([one[0] for one in known]), np.concatenate([one[1] for one in known])
        return self.encoder.states(words.batch), self._compressor_logits(words, texts)

    @cached_property
    def _compressor(self) -> "Compressor":
        from compressor.engine.compressor import Compressor

        assert self._compressor_name is not None
        return Compressor.from_pretrained(self._compressor_name, device=self._device)

    def _compressor_logits(self, words: Words, texts: Sequence[str]) -> Floats:
        """float64 [w]; 0 without a compressor."""
        if self._compressor_name is None:
            return np.zeros(len(words.row))
        return word_logits(self._compressor, words, texts)


def word_logits(
    compressor: "Compressor", words: Words, texts: Sequence[str]
) -> npt.NDArray[np.float64]:
    """A compressor's log-odds of keeping each word, float64 [w]; texts: of the words' shots."""
    found = np.zeros(len(words.row))
    row, start = words.starts()
    for shot, result in enumerate(compressor.compress(texts, 1.0)):
        mine = row == shot
        if len(result.words) and mine.any():
            ends = np.array([end for _, end in result.words])
            at = np.minimum(np.searchsorted(ends, start[mine], "right"), len(ends) - 1)
            p = result.probabilities[at].astype(np.float64).clip(_LEAST, 1 - _LEAST)
            found[mine] = np.log(p / (1 - p))
    return found


def shot_features(
    shots: Sequence[Shot],
    whole: npt.NDArray[np.int64],
    nearness: Floats | None,
    question: str | None,
) -> Floats:
    """float64 [k, 6], see `SHOT_FEATURES`; those that compare with a question are 0 without one.

    whole: int64 [k], tokens of each shot as it is, a separator behind it.
    """
    columns = np.zeros((6, len(shots)))
    if nearness is not None:
        columns[:2] = standardised(nearness), nearness - TYPICAL_NEARNESS
    if question is not None:
        asked = _content(question)
        own = [_content(shot.question) for shot in shots]
        columns[2] = standardised(np.array([len(asked & o) / max(1, len(asked | o)) for o in own]))
        sizes = np.array([len(shot.question) for shot in shots], np.float64)
        columns[3] = np.log(sizes.clip(1) / max(1, len(question)))
    columns[4] = whole / TYPICAL_TOKENS - 1
    columns[5] = np.array([shot.solution.count("\n") for shot in shots]) / TYPICAL_LINES - 1
    return columns.T


def _content(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def standardised(values: Floats) -> Floats:
    """Mean 0, deviation 1; zeros where all are alike."""
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros(len(values))
