"""A trained policy at work: shots scored one by one, or a prompt made for a question.

In: what the job `reinforce` wrote. Out: pruned prompts within the budget. No Ray, no storage of
results; one process, one device.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.errors import InputError
from compressor.prune.opinions import Opinions, opinions
from compressor.reader.loading import load_counter_of
from compressor.reader.prompts import SEPARATOR
from compressor.reinforce.actions import ranked
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.observe import Candidates, Observer, shot_features
from compressor.reinforce.policy import Logits
from compressor.reinforce.prune import Pruned, kept_words, prune, shortlist
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.saved import Description, compressor_digest, load_policy
from compressor.reinforce.shots import Shot
from compressor.reinforce.words import Words

_PROBE_APART = 1e-3
"""What two devices may differ by in a number of the probe; other encoders differ by 0.05."""
Nearest = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""The candidates of a question, nearest first: their indices in the pool, and their cosines."""


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

        Raises `InputError` where one of them is missing, or the encoder or the compressor is not
        the one that the policy learnt from.
        """
        policy, self.about = load_policy(path, storage_options, key="policy.path")
        learnt_from = self.about.compressor_digest
        if learnt_from and compressor_digest(self.about.compressor) != learnt_from:
            raise InputError(
                f"policy.path: {path} learnt from another compressor than what is now "
                f"{self.about.compressor}; train it anew, or put back the one that it had"
            )
        try:
            self.encoder = Encoder(encoder or self.about.encoder, device, storage_options)
        except InputError as error:
            raise InputError(f"policy.encoder: {error}; give where the encoder is") from None
        self._policy = policy.to(self.encoder.device)
        if not _learnt_from(self.encoder, self.about):
            raise InputError(
                f"policy.encoder: {encoder or self.about.encoder} is not the encoder that the "
                f"policy {path} learnt from; give that one"
            )
        self.counter = load_counter_of(tokenizer or self.about.tokenizer, storage_options)
        self._observer = Observer(self.encoder, self.counter, self.about.compressor, device)
        self._opinions: Opinions | None = None

    def pool(self, shots: Sequence[Shot]) -> Pool:
        """Shots that can be searched."""
        return Pool(shots, self.encoder.embed([shot.question for shot in shots]))

    def sees_as(self, other: "Pruner") -> "Pruner":
        """Share another pruner's encoder; returns itself.

        Raises `InputError` where the two policies learnt from different ones.
        """
        for name in ("digest", "compressor"):
            mine, others = getattr(self.about, name), getattr(other.about, name)
            if mine != others:
                raise InputError(f"policies with different {name}: {mine} and {others}")
        self.encoder, self._observer = other.encoder, other._observer
        return self

    def opinions(self, shots: Sequence[Shot], *others: "Pruner") -> list[Opinions]:
        """Its own of the shots, and those of others that see as it does."""
        policies = [(one._policy, one.about) for one in (self, *others)]
        return opinions(self._observer, policies, shots)

    def know(self, found: Opinions | None) -> None:
        """Look up in these opinions, of a pool's shots, what is asked about that pool."""
        self._opinions = found

    def score(self, shots: Sequence[Shot]) -> list[ScoredShot]:
        """Each shot as it would stand in a prompt for any question."""
        if not shots:
            return []
        candidates, logits = self._look(shots, None, None)
        words = candidates.words
        keep = kept_words(words, logits, self.about.threshold, self.about.stages)
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
        if not shots:
            return Pruned("", 0, (), 0)
        candidates, logits = self._look(shots, None, None)
        return self._prune(candidates.words, logits, budget)

    def nearest(
        self, questions: Sequence[str], pool: Pool, candidates: int, *, apart: bool
    ) -> list[Nearest]:
        """Among which shots the policy chooses for each question; see `Pool.nearest`."""
        return [
            pool.nearest(question, embedding, candidates, apart=apart)
            for question, embedding in zip(questions, self.encoder.embed(questions), strict=True)
        ]

    def for_question(
        self, question: str, pool: Pool, nearest: Nearest, budget: int
    ) -> tuple[Pruned, list[int]]:
        """The prompt for a question, and which shots of the pool are in it, in its order."""
        chosen, near = nearest
        if not len(chosen):
            return Pruned("", 0, (), 0), []
        shots = [pool.shots[at] for at in chosen.tolist()]
        if self._opinions is None:
            candidates, logits = self._look(shots, near, question)
            pruned = self._prune(candidates.words, logits, budget)
        else:
            some, words, logits = self._recall(shots, nearest, question, budget, self._opinions)
            found = self._prune(words, logits, budget)
            pruned = replace(found, shots=[int(some[at]) for at in found.shots])
        return pruned, [int(chosen[at]) for at in pruned.shots]

    def _recall(
        self,
        shots: Sequence[Shot],
        nearest: Nearest,
        question: str,
        budget: int,
        known: Opinions,
    ) -> tuple[npt.NDArray[np.int64], Words, Logits]:
        """Those of the candidates that may be chosen, their words, and the logits of both."""
        chosen, near = nearest
        counter = self._observer.counter
        features = shot_features(shots, known.whole[chosen], near, question)
        with torch.inference_mode():
            seen = torch.from_numpy(features).float().to(self.encoder.device)
            odds = torch.from_numpy(known.shots[chosen]) + self._policy.compared(seen).cpu()
        rank = ranked(Logits(odds, odds[:0]), len(shots), self.about.stages)
        room = budget + int(counter.count([SEPARATOR])[0])
        some = shortlist(known.tokens[chosen], known.least[chosen], rank, room)
        words = Words.of([shots[at] for at in some], self.encoder.tokenizer, counter)
        of_words = torch.from_numpy(known.words_of(chosen[some]))
        return some, words, Logits(odds[torch.from_numpy(some)], of_words)

    def _prune(self, words: Words, logits: Logits, budget: int) -> Pruned:
        about = self.about
        return prune(words, logits, budget=budget, threshold=about.threshold, stages=about.stages)

    def _look(
        self, shots: Sequence[Shot], near: Any, question: str | None
    ) -> tuple[Candidates, Logits]:
        candidates = self._observer.observe(shots, near, question)
        with torch.inference_mode():
            return candidates, self._policy(candidates.seen).detached()


def _learnt_from(encoder: Encoder, about: Description) -> bool:
    """Whether a policy learnt from this encoder: its files, or what it makes of the probe."""
    if encoder.identity == about.digest:
        return True
    if not about.probe or encoder.width != about.width:
        return False
    return bool(np.allclose(encoder.probe(), about.probe, rtol=0, atol=_PROBE_APART))
