"""The job `reinforce` from end to end: data, judge, learning, the choice of a threshold, files."""

from collections.abc import Callable
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.engine.memory import keep_freed_memory
from compressor.models.resolve import absolute
from compressor.reinforce.config import TOKENS, ReinforceConfig
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.environment import Environment
from compressor.reinforce.judge import Judge, judge_counter
from compressor.reinforce.learner import reinforce
from compressor.reinforce.observe import Observer
from compressor.reinforce.plot import plot_curves
from compressor.reinforce.policy import Policy
from compressor.reinforce.prepare import prepare
from compressor.reinforce.replicas import opened
from compressor.reinforce.saved import Description, compressor_digest, save_policy
from compressor.reinforce.state import Run
from compressor.train.metrics import read_lines

Say = Callable[[str], None]


def run(config: ReinforceConfig, say: Say = print) -> dict[str, Any]:
    """Train as `config` says, write to `output.path`; returns the held-out figures.

    What is written is a policy for worked examples or, with `task: tokens`, a checkpoint.

    Safe to interrupt and to run again. Raises `InputError` for what the user can mend.
    """
    work = Storage.at(config.output.work, config.output.storage_options, key="output.work")
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    config = _with_full_paths(config)
    if config.task == TOKENS:
        from compressor.reinforce.tokens.job import run as fine_tune

        return fine_tune(config, work, target, say)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    keep_freed_memory()
    settings = config.policy
    encoder = Encoder(settings.encoder, settings.device, config.data.storage_options)
    counter = judge_counter(config.reader, config.reward.tokenizer)
    observer = Observer(encoder, counter, settings.compressor, settings.device)
    with work.explained():
        environment = prepare(config, observer, work, say)
    if settings.remember:
        environment.remember()
    policy = Policy(
        encoder.width,
        keep_bias=settings.keep_bias,
        nearness_weight=settings.nearness_weight,
        solution_bias=settings.solution_bias,
        compressor_weight=settings.compressor_weight if settings.compressor else 0.0,
        seed=config.training.seed,
    ).to(encoder.device)
    with opened(config, counter) as judge:
        finished = reinforce(policy, environment, judge, config, folder=work, say=say)
        threshold, metrics = _choose_threshold(finished, environment, judge, config, say)
    about = Description(
        encoder=settings.encoder,
        digest=encoder.identity,
        compressor=settings.compressor,
        tokenizer=config.reward.tokenizer or config.reader.model,
        width=encoder.width,
        stages=list(settings.stages),
        threshold=threshold,
        metrics=metrics,
        probe=encoder.probe(),
        compressor_digest=compressor_digest(settings.compressor),
    )
    save_policy(finished.best, about, target)
    plot_curves(read_lines(work), work, say)
    say("held-out: " + ", ".join(f"{key} {value:.4f}" for key, value in metrics.items()))
    say(f"policy: {config.output.path}  (training took {finished.seconds / 60:.1f} minutes)")
    return {"threshold": threshold, "seconds": round(finished.seconds, 1), **metrics}


def _choose_threshold(
    finished: Run[Policy], environment: Environment, judge: Judge, config: ReinforceConfig, say: Say
) -> tuple[float, dict[str, float]]:
    """The threshold whose held-out reward is highest, and the figures with it."""
    finished.policy.load_state_dict(finished.best)
    found = {}
    for threshold in dict.fromkeys(config.training.thresholds):
        found[threshold] = environment.heldout_figures(finished.policy, judge, threshold)
        say(f"threshold {threshold:g}: held-out reward {found[threshold]['reward']:.4f}")
    best = max(found, key=lambda threshold: found[threshold]["reward"])
    return best, found[best]


def _with_full_paths(config: ReinforceConfig) -> ReinforceConfig:
    """Local models by their full paths: judges run elsewhere, and the policy names them."""
    policy = config.policy.model_copy(
        update={name: absolute(getattr(config.policy, name)) for name in ("encoder", "compressor")}
    )
    reader = config.reader.model_copy(update={"model": absolute(config.reader.model)})
    reward = config.reward.model_copy(update={"tokenizer": absolute(config.reward.tokenizer)})
    tuned = config.compressor.model_copy(update={"start": absolute(config.compressor.start)})
    return config.model_copy(
        update={"policy": policy, "reader": reader, "reward": reward, "compressor": tuned}
    )
