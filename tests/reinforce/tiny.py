"""An environment whose optimum is known: the judge is a rule, all else is real.

Words in capitals help the judge, "um" disturbs it, and a shot that is "spoiled" hurts. So the best
pruning keeps the whole shots without their "um"s.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compressor.reinforce.actions import carry_out
from compressor.reinforce.config import SHOTS, WORDS, ReinforceConfig
from compressor.reinforce.environment import Environment
from compressor.reinforce.judge import Request, Verdict
from compressor.reinforce.observe import Observer
from compressor.reinforce.policy import Logits, Policy
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot

BOTH = (SHOTS, WORDS)
POOL = [
    Shot("best", "Fox um", "DOG"),
    Shot("good", "Dog um", "FOX"),
    Shot("bad", "Moon", "spoiled"),
]
BEST = "Question: Dog\nAnswer: FOX\n\nQuestion: Fox\nAnswer: DOG"
"""The first two without their "um"; the budget is just what they take."""
ASKED = Shot("asked", "What does the quick brown fox jump over", "The lazy dog")


class RuleJudge:
    """Loss from what stands in the prompt: 1, less for words in capitals, more for the others."""

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        return [
            Verdict(
                np.array([self._loss(p) for p in request.prompts]), np.zeros(len(request.prompts))
            )
            for request in requests
        ]

    @staticmethod
    def _loss(prompt: str) -> float:
        words = prompt.split()
        good = words.count("FOX") + words.count("DOG")
        return max(0.0, 1 - 0.4 * good + 0.3 * words.count("um") + 0.4 * words.count("spoiled"))


def settings(observer: Observer, tmp_path: Path, judge: Path, **training: float) -> ReinforceConfig:
    budget = int(observer.counter.count([BEST])[0])
    return ReinforceConfig.model_validate(
        {
            "data": {"pool": ["not read"]},
            "episode": {"budget": budget, "candidates": 3, "repeats": 12, "unjudged": 12},
            "policy": {"keep_bias": 0.5, "nearness_weight": 0.0},
            "training": {
                "steps": 110,
                "questions": 1,
                "evaluate_steps": 1000,
                "learning_rate": 8e-4,
                "feature_learning_rate": 2e-2,
                "entropy": 0.03,
                **training,
            },
            "reader": {"model": str(judge)},
            "output": {
                "path": str(tmp_path / "policy"),
                "work": str(tmp_path / "work"),
                "checkpoint_steps": 1000,
            },
        }
    )


def environment(observer: Observer, config: ReinforceConfig) -> Environment:
    embeddings = observer.encoder.embed([shot.question for shot in POOL])
    return Environment(Pool(POOL, embeddings), [ASKED], [ASKED], observer, config)


def outcomes(policy_logits: Logits, fixed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every combination of decisions: about shots, bool [n, k], and words, bool [n, w]."""
    free = np.flatnonzero(~fixed)
    shots = list(itertools.product([False, True], repeat=k))
    words = list(itertools.product([False, True], repeat=len(free)))
    drawn = np.array([s for s in shots for _ in words], bool)
    chosen = np.ones((len(drawn), len(fixed)), bool)
    chosen[:, free] = np.array([w for _ in shots for w in words], bool)
    assert len(policy_logits.words) == len(fixed)
    return drawn, chosen


def best_reward(world: Environment, policy: Policy, config: ReinforceConfig) -> float:
    """The highest reward of all outcomes. What is asked about hardly depends on the policy."""
    posed = world.pose(0)
    logits = policy(posed.candidates.seen)
    drawn, chosen = outcomes(logits, posed.candidates.words.fixed, len(POOL))
    rollouts = carry_out(
        posed.candidates, logits, drawn, chosen, budget=config.episode.budget, stages=BOTH
    )
    (scored,) = world.score([posed], [rollouts], RuleJudge())
    return float(scored.reward.max())
