"""REINFORCE of prunings: what a step poses and draws follows from (seed, step)."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.corpus.storage import Storage
from compressor.errors import JobError
from compressor.reinforce.actions import (
    Rollouts,
    divergence,
    entropies,
    log_probability,
    sample,
)
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.curriculum import by_difficulty, draw, open_share
from compressor.reinforce.environment import Environment, Posed, Scored
from compressor.reinforce.judge import Judge
from compressor.reinforce.loop import Row, learn
from compressor.reinforce.policy import Logits, Policy
from compressor.reinforce.reward import budget_factor
from compressor.reinforce.state import Run, start_run

Say = Callable[[str], None]
Floats = npt.NDArray[np.float64]


def reinforce(
    policy: Policy,
    environment: Environment,
    judge: Judge,
    config: ReinforceConfig,
    *,
    folder: Storage,
    say: Say = lambda _: None,
    stop_after: int | None = None,
) -> Run[Policy]:
    """Train `policy` in place; the weights of the best evaluation are in the result's `best`.

    `folder` gets checkpoints and `metrics.jsonl`; what is there already is gone on from.
    `stop_after` interrupts after that many steps of this call. Raises `InputError` when the
    folder's checkpoint was made with other settings, and `JobError` when a reward is no number.
    """
    settings = config.training
    run = start_run(policy, config, folder, say)
    order = by_difficulty(environment.questions)
    with ThreadPoolExecutor(1) as ahead:  # the next problems are made while the judge reads
        posed: Future[list[Posed]] | None = None  # none yet: models load in the first evaluation

        def step() -> Row:
            nonlocal posed
            if posed is None:
                done = run.progress(settings)
                posed = ahead.submit(_pose, run.step, done, environment, config, order)
            asked = posed.result()
            if run.step + 1 < settings.steps:
                done = run.progress(settings, 1)
                posed = ahead.submit(_pose, run.step + 1, done, environment, config, order)
            return _step(run, asked, environment, judge, config)

        def evaluate() -> dict[str, float]:
            return _evaluate(run.policy, environment, judge)

        learn(run, config, folder=folder, step=step, evaluate=evaluate, say=say, most=stop_after)
    return run


def _pose(
    step: int, progress: float, environment: Environment, config: ReinforceConfig, order: Any
) -> list[Posed]:
    """The problems of a step with their candidates: nothing that the policy has a say in."""
    settings = config.training
    generator = np.random.default_rng([settings.seed, step, 0])
    share = open_share(progress, config.curriculum)
    return [environment.pose(n) for n in draw(order, share, settings.questions, generator)]


def advantages(rewards: Floats) -> torch.Tensor:
    """What each sample's reward is above the mean of all samples of its question, float32 [n]."""
    return _tensor(rewards - rewards.mean())


def split_gains(
    worth: Floats, factor: Floats, counted: Floats
) -> tuple[torch.Tensor, torch.Tensor]:
    """What judged samples, and samples that were only counted, weigh in the gradient of E[reward].

    reward = worth * factor, and the factor varies more than the worth, which alone needs the judge.
    With b the mean worth of the other samples, E[worth * factor] = E[(worth - b) * factor] +
    E[b * factor]; the second part comes from `counted`, the factors of many more samples. All
    float64 [n]; returns float32 [n] of the judged and of the counted.
    """
    others = (worth.sum() - worth) / (len(worth) - 1)
    judged = (worth - others) * factor
    return _tensor(judged), _tensor(worth.mean() * (counted - counted.mean()))


def surrogate(logits: Logits, rollouts: Rollouts, gains: torch.Tensor) -> torch.Tensor:
    """A scalar whose gradient is REINFORCE's estimate of the gradient of -E[reward]."""
    chances = log_probability(logits, rollouts)
    return -(gains.to(chances.device) * chances).mean()


def _step(
    run: Run[Policy],
    posed: Sequence[Posed],
    environment: Environment,
    judge: Judge,
    config: ReinforceConfig,
) -> Row:
    """One update by some questions with some samples each; what it measured."""
    settings, episode = config.training, config.episode
    generator = np.random.default_rng([settings.seed, run.step, 1])
    logits = [run.policy(one.candidates.seen) for one in posed]
    rollouts = [
        sample(
            one.candidates,
            own,
            budget=episode.budget,
            repeats=episode.repeats,
            stages=config.policy.stages,
            generator=generator,
        )
        for one, own in zip(posed, logits, strict=True)
    ]
    scored = environment.score(posed, rollouts, judge)
    loss = torch.zeros((), device=logits[0].shots.device)
    for one, own, drawn, found in zip(posed, logits, rollouts, scored, strict=True):
        if episode.unjudged and config.reward.budget_factor:
            more = sample(
                one.candidates,
                own,
                budget=episode.budget,
                repeats=episode.unjudged,
                stages=config.policy.stages,
                generator=generator,
            )
            counted = budget_factor(more.tokens, episode.budget)
            gains, counted_gains = split_gains(found.worth, found.factor, counted)
            loss = loss + surrogate(own, more, counted_gains) / len(posed)
        else:
            gains = advantages(found.reward)
        loss = loss + surrogate(own, drawn, gains) / len(posed)
        loss = loss - settings.entropy * sum(entropies(own, drawn)) / len(posed)
    if not math.isfinite(loss.item()):
        raise JobError(f"the loss is {loss.item()} at step {run.step}: the judge gave no number")
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(run.policy.parameters(), settings.max_gradient_norm)
    run.update(settings)
    row = {"step": run.step + 1, "of": settings.steps}
    figures = _figures(run, posed, logits, rollouts, scored)
    levels = [one.question.difficulty for one in posed]
    return {**row, **figures, "gradient_norm": float(norm), "difficulty": float(np.mean(levels))}


def _figures(
    run: Run[Policy],
    posed: Sequence[Posed],
    logits: Sequence[Logits],
    rollouts: Sequence[Rollouts],
    scored: Sequence[Scored],
) -> dict[str, float]:
    """Means over all samples of a step; KL and entropies of a decision, in nats."""
    rows = []
    for one, own, drawn, found in zip(posed, logits, rollouts, scored, strict=True):
        with torch.no_grad():
            shot_entropy, word_entropy = entropies(own, drawn)
            start = run.start(one.candidates.seen)
        shot_kl, word_kl = divergence(own.detached(), start, drawn)
        kept = drawn.kept[:, one.candidates.words.row]
        rows.append(
            {
                "reward": found.reward.mean(),
                "spread": found.reward.std(),
                "loss": found.verdict.loss.mean(),
                "right": found.verdict.right.mean(),
                "worth_spread": found.worth.std(),
                "budget_factor": found.factor.mean(),
                "tokens": drawn.tokens.mean(),
                "shots": drawn.kept.sum(1).mean(),
                "words_kept": (drawn.words & kept).sum() / max(1, kept.sum()),
                "shot_entropy": float(shot_entropy),
                "word_entropy": float(word_entropy),
                "shot_kl": shot_kl,
                "word_kl": word_kl,
            }
        )
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _evaluate(policy: Policy, environment: Environment, judge: Judge) -> dict[str, float]:
    """Held-out figures of the policy as it would be used: deterministic, within the budget."""
    found = environment.heldout_figures(policy, judge)
    return {f"heldout_{key}": value for key, value in found.items()}


def _tensor(values: Floats) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
