"""The policy gradient against finite differences, and training against a known optimum."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.reinforce.actions import carry_out, probabilities, sample
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.environment import Environment
from compressor.reinforce.learner import advantages, reinforce, split_gains, surrogate
from compressor.reinforce.observe import Observer
from compressor.reinforce.policy import Logits, Policy
from compressor.train.metrics import read_lines
from tests.reinforce.tiny import (
    BOTH,
    POOL,
    RuleJudge,
    best_reward,
    environment,
    outcomes,
    settings,
)

Tiny = tuple[ReinforceConfig, Environment, Policy]


@pytest.fixture
def tiny(observer: Observer, judge_folder: Path, tmp_path: Path) -> Tiny:
    config = settings(observer, tmp_path, judge_folder)
    policy = Policy(observer.encoder.width, keep_bias=0.5, nearness_weight=0.3, seed=4)
    torch.manual_seed(2)
    for parameter in policy.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return config, environment(observer, config), policy


class Exact:
    """E[reward] and its parts by going through every outcome."""

    def __init__(self, tiny: Tiny) -> None:
        self.config, self.world, self.policy = tiny
        self.posed = self.world.pose(0)
        self.words = self.posed.candidates.words
        self.budget = self.config.episode.budget
        with torch.no_grad():
            logits = self.policy(self.posed.candidates.seen)
        drawn, chosen = outcomes(logits, self.words.fixed, len(POOL))
        self.rollouts = carry_out(
            self.posed.candidates, logits, drawn, chosen, budget=self.budget, stages=BOTH
        )
        (self.scored,) = self.world.score([self.posed], [self.rollouts], RuleJudge())

    def logits(self) -> Logits:
        found: Logits = self.policy(self.posed.candidates.seen)
        return found

    def outcome_probabilities(self, logits: Logits) -> npt.NDArray[np.float64]:
        """Of every combination of decisions, whether they were asked for or not, float64 [n]."""
        shots, words = probabilities(self.words, logits, BOTH)
        p = np.where(self.rollouts.drawn, shots, 1 - shots).prod(1)
        return np.asarray(p * np.where(self.rollouts.words, words, 1 - words).prod(1))

    def expected_reward(self) -> float:
        with torch.no_grad():
            p = self.outcome_probabilities(self.logits())
        assert p.sum() == pytest.approx(1, abs=1e-9)
        return float((p * self.scored.reward).sum())


def flat_gradient(policy: Policy) -> torch.Tensor:
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in policy.parameters()]
    return torch.cat([part.flatten() for part in parts])


def move(policy: Policy, direction: torch.Tensor, by: float) -> None:
    sizes = [p.numel() for p in policy.parameters()]
    for parameter, part in zip(policy.parameters(), torch.split(direction, sizes), strict=True):
        parameter.data += by * part.view_as(parameter)


def test_the_policy_gradient_is_that_of_finite_differences(tiny: Tiny) -> None:
    """The estimator's expectation, over every outcome, in random directions and its own."""
    exact = Exact(tiny)
    logits = exact.logits()
    weight = torch.from_numpy(exact.outcome_probabilities(logits)).float()
    reward = torch.from_numpy(exact.scored.reward).float()
    assert reward.std() > 0.05
    n = len(reward)
    surrogate(logits, exact.rollouts, n * weight * reward).backward()  # type: ignore[no-untyped-call]
    gradient = -flat_gradient(exact.policy)
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(len(gradient), generator=generator) for _ in range(6)]
    directions = [gradient, *directions]
    step = 1e-2
    for direction in directions:
        unit = direction / direction.norm()
        values = []
        for by in (step, -2 * step, step):  # forth, back, and home again
            move(exact.policy, unit, by)
            values.append(exact.expected_reward())
        difference = (values[0] - values[1]) / (2 * step)
        assert float(gradient @ unit) == pytest.approx(difference, abs=2e-4, rel=0.02)
    assert gradient.norm() > 0.02


@pytest.mark.parametrize("split", [False, True])
def test_samples_with_the_mean_as_baseline_estimate_it(split: bool, tiny: Tiny) -> None:
    """Split: half of them judged, the budget factor learnt from the other half."""
    exact = Exact(tiny)
    logits = exact.logits()
    weight = torch.from_numpy(exact.outcome_probabilities(logits)).float()
    reward = torch.from_numpy(exact.scored.reward).float()
    surrogate(logits, exact.rollouts, len(reward) * weight * reward).backward()  # type: ignore[no-untyped-call]
    wanted = flat_gradient(exact.policy)
    exact.policy.zero_grad()
    logits = exact.logits()
    repeats = 4000
    rollouts = sample(
        exact.posed.candidates,
        logits,
        budget=exact.budget,
        repeats=repeats,
        stages=BOTH,
        generator=np.random.default_rng(1),
    )
    (scored,) = exact.world.score([exact.posed], [rollouts], RuleJudge())
    assert scored.reward.mean() == pytest.approx(exact.expected_reward(), abs=0.01)
    gains = advantages(scored.reward)
    assert float(gains.sum()) == pytest.approx(0, abs=1e-2)
    if split:
        half = repeats // 2
        gains, counted = split_gains(
            scored.worth[:half], scored.factor[:half], scored.factor[half:]
        )
        gains = 2 * torch.cat([gains, counted])
    surrogate(logits, rollouts, gains).backward()  # type: ignore[no-untyped-call]
    found = flat_gradient(exact.policy)
    assert torch.cosine_similarity(found, wanted, dim=0) > 0.98
    assert float(found.norm() / wanted.norm()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_training_reaches_the_known_optimum(
    seed: int, observer: Observer, judge_folder: Path, tmp_path: Path
) -> None:
    config = settings(observer, tmp_path, judge_folder, seed=seed)
    world = environment(observer, config)
    policy = Policy(observer.encoder.width, keep_bias=0.5, nearness_weight=0.0, seed=seed)
    best = best_reward(world, policy, config)
    folder = Storage.at(str(tmp_path / "work"), key="output.work")
    reinforce(policy, world, RuleJudge(), config, folder=folder)
    rewards = [row["reward"] for row in read_lines(folder) if "reward" in row]
    assert rewards[0] < 0.8 * best, rewards
    assert np.mean(rewards[-10:]) >= 0.95 * best
    assert world.heldout_figures(policy, RuleJudge())["reward"] >= 0.95 * best
