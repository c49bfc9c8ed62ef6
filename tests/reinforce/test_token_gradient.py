"""The compressor's policy gradient against finite differences, and training to a known optimum.

The judge is a rule: four words of a sentence tell it everything, a quarter each. All else is real.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.engine.subwords import FastTokenizer
from compressor.models.checkpoint import load_checkpoint
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import Request, Verdict
from compressor.reinforce.learner import advantages
from compressor.reinforce.tokens.carried import carry_out
from compressor.reinforce.tokens.environment import World
from compressor.reinforce.tokens.items import Item
from compressor.reinforce.tokens.learner import reinforce, surrogate
from compressor.reinforce.tokens.masks import Masks, choices, in_batch
from compressor.reinforce.tokens.policy import TokenPolicy
from compressor.reinforce.tokens.references import Judged, losses
from compressor.train.metrics import read_lines

TEXT = "The quick brown fox jumps over the lazy dog and then it sleeps"
TELLING = ("brown", "jumps", "dog", "sleeps")
RATE = 0.33  # four of its thirteen words


class RuleJudge:
    """Loss 1, a quarter less for each telling word in the context."""

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        return [
            Verdict(
                np.array([self._loss(prompt) for prompt in request.prompts]),
                np.zeros(len(request.prompts)),
            )
            for request in requests
        ]

    @staticmethod
    def _loss(prompt: str) -> float:
        words = set(prompt.replace("\n", " ").split())
        return 1 - sum(word in words for word in TELLING) / len(TELLING)


def make_policy(tiny_model: Path, seed: int = 0) -> tuple[TokenPolicy, FastTokenizer]:
    start = load_checkpoint(tiny_model, "tiny", device="cpu", dtype="float32")
    policy = TokenPolicy(start.model, start.form)
    torch.manual_seed(seed)
    for parameter in policy.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return policy, FastTokenizer(start.tokenizer)


def make_config(tmp_path: Path, tiny_model: Path, **training: float) -> ReinforceConfig:
    return ReinforceConfig.model_validate(
        {
            "task": "tokens",
            "passages": {"pairs": ["not read"]},
            "compressor": {
                "start": str(tiny_model),
                "rates": [RATE],
                "repeats": 16,
                "leash": training.pop("leash", 0.0),
            },
            "training": {
                "steps": 120,
                "questions": 1,
                "evaluate_steps": 1000,
                "learning_rate": 4e-3,
                "entropy": 0.0,
                **training,
            },
            "output": {
                "path": str(tmp_path / "model"),
                "work": str(tmp_path / "work"),
                "checkpoint_steps": 1000,
            },
        }
    )


def make_world(tokenizer: FastTokenizer, config: ReinforceConfig) -> World:
    item = Item(TEXT, TEXT, "What does it do?", "It sleeps")
    ((bare, whole),) = losses([item], [["", TEXT]], RuleJudge(), tokenizer)
    judged = Judged(item, float(bare), float(whole))
    assert judged.gainable > 0
    return World([judged], [judged], tokenizer, tokenizer, config)


class Exact:
    """E[reward] by going through every mask."""

    def __init__(self, tmp_path: Path, tiny_model: Path) -> None:
        self.policy, tokenizer = make_policy(tiny_model)
        self.policy.double()  # for the differences
        world = make_world(tokenizer, make_config(tmp_path, tiny_model))
        self.posed = world.pose(np.random.default_rng(0))
        assert self.posed.targets.tolist() == [4]
        (self.choice,) = choices(self.posed.batch, self.posed.targets)
        kept = [
            at
            for size in range(self.choice.least, self.choice.budget + 1)
            for at in itertools.combinations(range(len(self.choice.unit)), size)
        ]
        assert not self.choice.mark.any()
        assert (self.choice.cost == 1).all()
        self.drawn = np.zeros((len(kept), len(self.choice.unit)), bool)
        for row, at in enumerate(kept):
            self.drawn[row, list(at)] = True
        self.reward = self._rewards(world, tokenizer, self.drawn)
        self.world, self.tokenizer = world, tokenizer

    def _rewards(
        self, world: World, tokenizer: FastTokenizer, drawn: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float64]:
        batch = self.posed.batch
        keep = in_batch([self.choice], [drawn], len(batch.row))
        chances = np.full(len(batch.row), 0.5)
        carried = carry_out(batch, keep, self.posed.targets, chances, tokenizer.count)
        (rewards,) = world.rewards(self.posed, carried, RuleJudge())
        return rewards

    def masks(self) -> Masks:
        chances = self.policy(self.posed.batch)
        return Masks(self.choice, chances[torch.from_numpy(self.choice.unit)])

    def expected(self) -> float:
        with torch.no_grad():
            p = self.masks().log_probability(self.drawn).exp().numpy()
        assert p.sum() == pytest.approx(1, abs=1e-9)
        return float(p @ self.reward)


@pytest.fixture
def exact(tmp_path: Path, tiny_model: Path) -> Exact:
    return Exact(tmp_path, tiny_model)


def trained(policy: TokenPolicy) -> list[torch.nn.Parameter]:
    return [one for _, group in policy.groups() for one in group]


def flat_gradient(policy: TokenPolicy) -> torch.Tensor:
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained(policy)]
    return torch.cat([part.flatten() for part in parts])


def move(policy: TokenPolicy, direction: torch.Tensor, by: float) -> None:
    sizes = [p.numel() for p in trained(policy)]
    for parameter, part in zip(trained(policy), torch.split(direction, sizes), strict=True):
        parameter.data += by * part.view_as(parameter)


def true_gradient(exact: Exact) -> torch.Tensor:
    masks = exact.masks()
    with torch.no_grad():
        weight = masks.log_probability(exact.drawn).exp()
    gains = len(weight) * weight * torch.from_numpy(exact.reward)
    exact.policy.zero_grad()
    surrogate(masks, exact.drawn, gains).backward()  # type: ignore[no-untyped-call]
    return -flat_gradient(exact.policy)


def test_the_gradient_is_that_of_finite_differences(exact: Exact) -> None:
    """The estimator's expectation, over every mask, in its own direction and random ones."""
    assert exact.reward.max() == pytest.approx(1)
    assert exact.reward.min() == pytest.approx(0)
    gradient = true_gradient(exact)
    generator = torch.Generator().manual_seed(0)
    randoms = [
        torch.randn(len(gradient), generator=generator, dtype=torch.float64) for _ in range(4)
    ]
    step = 1e-3
    for direction in (gradient, *randoms):
        unit = direction / direction.norm()
        values = []
        for by in (step, -2 * step, step):  # forth, back, and home again
            move(exact.policy, unit, by)
            values.append(exact.expected())
        difference = (values[0] - values[1]) / (2 * step)
        assert float(gradient @ unit) == pytest.approx(difference, rel=0.02, abs=2e-4)
    assert gradient.norm() > 0.02


def test_samples_with_the_mean_as_baseline_estimate_it(exact: Exact) -> None:
    wanted = true_gradient(exact)
    masks = exact.masks()
    drawn = masks.draw(4000, np.random.default_rng(1))
    rewards = exact._rewards(exact.world, exact.tokenizer, drawn)
    assert rewards.mean() == pytest.approx(exact.expected(), abs=0.02)
    exact.policy.zero_grad()
    surrogate(masks, drawn, advantages(rewards).double()).backward()  # type: ignore[no-untyped-call]
    found = -flat_gradient(exact.policy)
    assert torch.cosine_similarity(found, wanted, dim=0) > 0.95
    assert float(found.norm() / wanted.norm()) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_training_reaches_the_known_optimum(seed: int, tmp_path: Path, tiny_model: Path) -> None:
    config = make_config(tmp_path, tiny_model, seed=seed)
    policy, tokenizer = make_policy(tiny_model, seed)
    world = make_world(tokenizer, config)
    embeddings = policy.model.get_input_embeddings().weight.clone()
    folder = Storage.at(config.output.work, key="output.work")
    run = reinforce(policy, world, RuleJudge(), config, folder=folder)
    rows = read_lines(folder)
    rewards = [row["reward"] for row in rows if "reward" in row]
    assert rewards[0] < 0.7, rewards
    assert np.mean(rewards[-10:]) >= 0.95, rewards
    assert run.best_metrics["heldout_reward"] >= 0.95
    assert policy.model.get_input_embeddings().weight.equal(embeddings)


def test_the_leash_keeps_it_near_the_compressor_that_it_was(
    tmp_path: Path, tiny_model: Path
) -> None:
    apart = {}
    for leash in (0.0, 100.0):
        config = make_config(tmp_path / str(leash), tiny_model, steps=30, leash=leash)
        policy, tokenizer = make_policy(tiny_model)
        folder = Storage.at(config.output.work, key="output.work")
        reinforce(policy, make_world(tokenizer, config), RuleJudge(), config, folder=folder)
        rows = read_lines(folder)
        assert rows[1]["kl"] == pytest.approx(0, abs=1e-9)
        apart[leash] = rows[-1]["kl"]
    assert apart[100.0] < 0.1 * apart[0.0]
