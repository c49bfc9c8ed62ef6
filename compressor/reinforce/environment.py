"""The environment: questions with their candidates, and what pruned prompts are worth before them.

In: a pool and questions. Out: what the policy sees of a question's candidates, and rewards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from compressor.reinforce.actions import Rollouts
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import Judge, Request, Verdict
from compressor.reinforce.observe import Candidates, Observer
from compressor.reinforce.policy import Policy
from compressor.reinforce.prune import Pruned, prune
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.reward import budget_factor, quality
from compressor.reinforce.shots import Shot

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Posed:
    """A question and its candidates, nearest first."""

    question: Shot
    candidates: Candidates


@dataclass(frozen=True)
class Scored:
    """What prunings of a question are worth, float64 [n]: reward = worth * factor."""

    reward: Floats
    worth: Floats
    factor: Floats
    verdict: Verdict


class Environment:
    """Poses questions of a pool's kind; none ever sees its own shot, or one that tells it anew."""

    def __init__(
        self,
        pool: Pool,
        questions: Sequence[Shot],
        heldout: Sequence[Shot],
        observer: Observer,
        config: ReinforceConfig,
    ) -> None:
        self.questions = questions
        self._pool, self._heldout, self._observer, self._config = pool, heldout, observer, config

    def remember(self) -> None:
        """Encode the pool once, all that follows looks it up."""
        self._observer.remember(self._pool.shots)

    def pose(self, number: int) -> Posed:
        """The question of that number, with its candidates."""
        return self._posed(self.questions[number])

    def score(
        self, posed: Sequence[Posed], rollouts: Sequence[Rollouts], judge: Judge
    ) -> list[Scored]:
        """Let the judge read what was sampled for each question."""
        requests = [
            Request(drawn.prompts, one.question.question, one.question.solution)
            for one, drawn in zip(posed, rollouts, strict=True)
        ]
        verdicts = judge.judge(requests)
        return [
            self._scored(verdict, drawn.tokens)
            for verdict, drawn in zip(verdicts, rollouts, strict=True)
        ]

    def heldout_figures(
        self, policy: Policy, judge: Judge, threshold: float = 0.5
    ) -> dict[str, float]:
        """Means over the held-out questions, pruned deterministically."""
        pruned = [self.pruned(policy, one, threshold) for one in self._heldout_posed]
        requests = [
            Request([text.text], one.question.question, one.question.solution)
            for one, text in zip(self._heldout_posed, pruned, strict=True)
        ]
        scored = [
            self._scored(verdict, np.array([text.tokens]))
            for verdict, text in zip(judge.judge(requests), pruned, strict=True)
        ]
        return {
            "reward": float(np.mean([one.reward for one in scored])),
            "loss": float(np.mean([one.verdict.loss for one in scored])),
            "right": float(np.mean([one.verdict.right for one in scored])),
            "tokens": float(np.mean([one.tokens for one in pruned])),
            "shots": float(np.mean([len(one.shots) for one in pruned])),
            "words_rate": float(
                np.sum([one.tokens for one in pruned])
                / max(1, np.sum([one.whole_tokens for one in pruned]))
            ),
        }

    def pruned(self, policy: Policy, posed: Posed, threshold: float) -> Pruned:
        with torch.no_grad():
            logits = policy(posed.candidates.seen)
        return prune(
            posed.candidates.words,
            logits,
            budget=self._config.episode.budget,
            threshold=threshold,
            stages=self._config.policy.stages,
        )

    def _scored(self, verdict: Verdict, tokens: npt.NDArray[np.int64]) -> Scored:
        factor = budget_factor(tokens, self._config.episode.budget)
        worth = quality(verdict.loss, verdict.right)
        if not self._config.reward.budget_factor:
            factor = np.ones_like(factor)
        return Scored(worth * factor, worth, factor, verdict)

    @cached_property
    def _heldout_posed(self) -> list[Posed]:
        return [self._posed(question) for question in self._heldout]

    def _posed(self, question: Shot) -> Posed:
        (embedding,) = self._observer.encoder.embed([question.question])
        chosen, near = self._pool.nearest(
            question.question, embedding, self._config.episode.candidates, apart=True
        )
        shots = [self._pool.shots[at] for at in chosen.tolist()]
        return Posed(question, self._observer.observe(shots, near, question.question))
