"""A trained policy at work: shots scored one by one, or a prompt made for a question.

In: what the job `reinforce` wrote. Out: pruned prompts within the budget. No Ray, no storage of
results; one process, one device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from compressor.errors import InputError
from compressor.reader.loading import load_counter_of
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.observe import Candidates, Observer
from compressor.reinforce.policy import Logits
from compressor.reinforce.prune import Pruned, prune
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.saved import load_policy
from compressor.reinforce.shots import Shot


@dataclass(frozen=True, slots=True)
class ScoredShot:
    """A shot by itself: P(keep), what is left of it, and its tokens before and after."""

    probability: float
    text: str
    whole_tokens: int
    tokens: int


class Pruner:
    """A loaded policy with its encoder and the tokenizer that counts."""

    def __init__(
        self,
        path: str,
        *,
        storage_options: dict[str, Any] | None = None,
        encoder: str | None = None,
        tokenizer: str | None = None,
        device: str = "auto",
    ) -> None:
        """path: of the policy; encoder, tokenizer: null = those that it names.

        Raises `InputError` where one of them is missing, or the encoder is not the one that the
        policy learnt from.
        """
        policy, self.about = load_policy(path, storage_options, key="policy.path")
        self.encoder = Encoder(encoder or self.about.encoder, device, storage_options)
        self._policy = policy.to(self.encoder.device)
        if self.encoder.identity != self.about.digest:
            raise InputError(
                f"policy.encoder: {encoder or self.about.encoder} is not the encoder that the "
                f"policy {path} learnt from; give that one"
            )
        self.counter = load_counter_of(tokenizer or self.about.tokenizer, storage_options)
        self._observer = Observer(self.encoder, self.counter, self.about.compressor, device)

    def pool(self, shots: Sequence[Shot]) -> Pool:
        """Shots that can be searched."""
        return Pool(shots, self.encoder.embed([shot.question for shot in shots]))

    def sees_as(self, other: "Pruner") -> "Pruner":
        """Share another pruner's encoder and what it remembers; returns itself.

        Raises `InputError` where the two policies learnt from different ones.
        """
        for name in ("digest", "compressor"):
            mine, others = getattr(self.about, name), getattr(other.about, name)
            if mine != others:
                raise InputError(f"policies with different {name}: {mine} and {others}")
        self.encoder, self._observer = other.encoder, other._observer
        return self

    def remember(self, pool: Pool) -> None:
        """Encode all of a pool once; what is made of it then looks it up. For many questions."""
        self._observer.remember(pool.shots)

    def score(self, shots: Sequence[Shot]) -> list[ScoredShot]:
        """Each shot as it would stand in a prompt for any question."""
        if not shots:
            return []
        candidates, logits = self._look(shots, None, None)
        words = candidates.words
        threshold = self.about.threshold
        keep = words.fixed | (logits.words.cpu().numpy() >= np.log(threshold / (1 - threshold)))
        texts = words.texts(keep, np.arange(len(words)))
        return [
            ScoredShot(probability, text, whole, tokens)
            for probability, text, whole, tokens in zip(
                torch.sigmoid(logits.shots).tolist(),
                texts,
                words.counter.count([shot.text for shot in shots]).tolist(),
                words.counter.count(texts).tolist(),
                strict=True,
            )
        ]

    def for_all(self, shots: Sequence[Shot], budget: int) -> Pruned:
        """One prompt for any question."""
        return self._prune(shots, None, budget, None)

    def for_question(
        self, question: str, pool: Pool, *, budget: int, candidates: int, apart: bool
    ) -> tuple[Pruned, list[int]]:
        """The prompt for a question, and which shots of the pool are in it, in its order."""
        (embedding,) = self.encoder.embed([question])
        chosen, near = pool.nearest(question, embedding, candidates, apart=apart)
        shots = [pool.shots[at] for at in chosen.tolist()]
        pruned = self._prune(shots, near, budget, question)
        return pruned, [int(chosen[at]) for at in pruned.shots]

    def _prune(self, shots: Sequence[Shot], near: Any, budget: int, question: str | None) -> Pruned:
        if not shots:
            return Pruned("", 0, (), 0)
        candidates, logits = self._look(shots, near, question)
        return prune(
            candidates,
            logits,
            budget=budget,
            threshold=self.about.threshold,
            stages=self.about.stages,
        )

    def _look(
        self, shots: Sequence[Shot], near: Any, question: str | None
    ) -> tuple[Candidates, Logits]:
        candidates = self._observer.observe(shots, near, question)
        with torch.inference_mode():
            return candidates, self._policy(candidates.seen).detached()
