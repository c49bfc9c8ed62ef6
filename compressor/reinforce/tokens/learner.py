"""REINFORCE of the compressor: masks are drawn from it, and it is led to those that win most.

What is minimised: -E[reward], by samples whose mean is the baseline; plus the leash, the mean KL of
a word's P(keep) to that of the compressor it started from; less the entropy bonus.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from compressor.corpus.storage import Storage
from compressor.errors import JobError
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import Judge
from compressor.reinforce.learner import advantages
from compressor.reinforce.loop import Row, learn
from compressor.reinforce.state import Run, start_run
from compressor.reinforce.tokens.carried import Carried, carry_out
from compressor.reinforce.tokens.config import CompressorSection
from compressor.reinforce.tokens.environment import Posed, World
from compressor.reinforce.tokens.masks import Masks, choices, divergence, entropy, in_batch
from compressor.reinforce.tokens.policy import TokenPolicy

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def reinforce(
    policy: TokenPolicy,
    world: World,
    judge: Judge,
    config: ReinforceConfig,
    *,
    folder: Storage,
    say: Callable[[str], None] = lambda _: None,
    stop_after: int | None = None,
) -> Run[TokenPolicy]:
    """Train `policy` in place; the weights of the best evaluation are in the result's `best`.

    `folder` gets checkpoints and `metrics.jsonl`; what is there already is gone on from.
    `stop_after` interrupts after that many steps of this call. Raises `InputError` when the
    folder's checkpoint was made with other settings, and `JobError` when a reward is no number.
    """
    run = start_run(policy, config, folder, say)

    def step() -> Row:
        return _step(run, world, judge, config)

    def evaluate() -> dict[str, float]:
        found = world.heldout_figures(run.policy, judge)
        return {f"heldout_{key}": value for key, value in found.items()}

    learn(run, config, folder=folder, step=step, evaluate=evaluate, say=say, most=stop_after)
    return run


def surrogate(masks: Masks, drawn: Flags, gains: torch.Tensor) -> torch.Tensor:
    """A scalar whose gradient is REINFORCE's estimate of the gradient of -E[reward].

    drawn: bool [n, u]; gains: [n], what each one's reward is above the baseline.
    """
    return -(gains * masks.log_probability(drawn)).mean()


def _step(run: Run[TokenPolicy], world: World, judge: Judge, config: ReinforceConfig) -> Row:
    """One update by some passages with some masks each; what it measured."""
    settings, section = config.training, config.compressor
    posed = world.pose(np.random.default_rng([settings.seed, run.step, 0]))
    generator = np.random.default_rng([settings.seed, run.step, 1])
    chances = run.policy(posed.batch)
    with torch.no_grad():
        start = run.start(posed.batch)
    masks, drawn = _draw(posed, chances, section, generator)
    carried = _carried(posed, masks, drawn, chances, world)
    rewards = world.rewards(posed, carried, judge)
    parts = [
        surrogate(one, own, advantages(reward).double())
        for one, own, reward in zip(masks, drawn, rewards, strict=True)
    ]
    apart, undecided = divergence(chances, start), entropy(chances)
    loss = torch.stack(parts).mean() + section.leash * apart - settings.entropy * undecided
    if not math.isfinite(loss.item()):
        raise JobError(f"the loss is {loss.item()} at step {run.step}: the judge gave no number")
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(run.policy.parameters(), settings.max_gradient_norm)
    run.update(settings)
    whole = posed.batch.tokens.sum()
    return {
        "step": run.step + 1,
        "of": settings.steps,
        **_rewards(posed, rewards),
        "tokens_rate": float(carried.tokens.mean(0).sum() / whole),
        "target_rate": float(posed.targets.sum() / whole),
        "entropy": undecided.item(),
        "kl": apart.item(),
        "gradient_norm": float(norm),
    }


def _draw(
    posed: Posed,
    chances: torch.Tensor,
    section: CompressorSection,
    generator: np.random.Generator,
) -> tuple[list[Masks], list[Flags]]:
    """The masks of each passage, and some that are drawn, bool [repeats, units of it] each."""
    masks = [
        Masks(choice, chances[torch.from_numpy(choice.unit)], temperature=section.temperature)
        for choice in choices(posed.batch, posed.targets)
    ]
    return masks, [one.draw(section.repeats, generator) for one in masks]


def _carried(
    posed: Posed,
    masks: Sequence[Masks],
    drawn: Sequence[Flags],
    chances: torch.Tensor,
    world: World,
) -> Carried:
    keep = in_batch([one.choice for one in masks], drawn, len(chances))
    likely = chances.detach().numpy()
    return carry_out(posed.batch, keep, posed.targets, likely, world.tokenizer.count)


def _rewards(posed: Posed, rewards: Sequence[Floats]) -> dict[str, float]:
    """Means over passages, each at its own rate: of all, of a kind, and how far samples differ."""
    kinds = [one.item.kind for one in posed.items]
    found = {"reward": float(np.mean(rewards))}
    for kind in dict.fromkeys(kinds):
        own = [some for some, other in zip(rewards, kinds, strict=True) if other == kind]
        found[kind] = float(np.mean(own))
    return {**found, "spread": float(np.mean([some.std() for some in rewards]))}
