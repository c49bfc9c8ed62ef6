"""One fine-tuning run: steps, an evaluation after each epoch, checkpoints, resumption.

The run is a function of its settings and data: batches follow from (seed, epoch), dropout from the
generator whose state is in the checkpoint. Interrupted anywhere and started again, it ends with the
same weights, bit for bit.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compressor.errors import InputError
from compressor.train import checkpoint
from compressor.train.batches import Batch, Window, collate, plan_epoch
from compressor.train.config import TrainConfig
from compressor.train.examples import Example
from compressor.train.loss import head_keep, keep_logit, loss_sum
from compressor.train.metrics import append_line, keep_lines, predict, rank_metrics
from compressor.train.optimiser import (
    Weights,
    copy_weights,
    learning_rate,
    make_optimiser,
    move_average,
    set_learning_rate,
)


@dataclass(frozen=True)
class Task:
    """What every run of a job shares. Examples are cut to windows already."""

    training: Sequence[Example]
    heldout: Sequence[Example]
    first: int  # special sub-word before a window
    last: int  # and after it
    padding: int


@dataclass
class Run:
    """All that changes while training; what a checkpoint holds."""

    model: torch.nn.Module
    optimiser: torch.optim.AdamW
    average: Weights | None
    best: Weights
    best_metrics: dict[str, float]
    step: int = 0  # over all epochs
    seconds: float = 0.0  # of training, interruptions left out


def train(
    model: torch.nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
    stop_after: int | None = None,
) -> Run:
    """Fine-tune `model` in place; the weights of the best epoch are in the result's `best`.

    `folder` gets checkpoints and `metrics.jsonl`; what is there already is gone on from. `say`
    takes lines for the terminal. `stop_after` interrupts after that many steps of this call.
    Raises `InputError` when the folder's checkpoint was made with other settings, and
    `FloatingPointError` when the loss is no number.
    """
    settings = config.training
    plans = [_plan(task, config, epoch) for epoch in range(settings.epochs)]
    ends = np.cumsum([len(plan) for plan in plans]).tolist()
    run = _start(model, config, folder)
    if run.step:
        say(f"{folder.name}: going on after step {run.step} of {ends[-1]}")
    model.train()
    stop = math.inf if stop_after is None else run.step + stop_after
    losses: list[float] = []
    began = time.perf_counter()
    while run.step < ends[-1] and run.step < stop:
        epoch = int(np.searchsorted(ends, run.step, side="right"))
        windows = plans[epoch][run.step - ends[epoch] + len(plans[epoch])]
        set_learning_rate(run.optimiser, learning_rate(run.step, ends[-1], settings))
        losses.append(_step(run, _batch(windows, task.training, task), config))
        run.step += 1
        at_end = run.step == ends[epoch]
        if at_end or run.step % config.output.checkpoint_steps == 0:
            now = time.perf_counter()
            run.seconds, began = run.seconds + now - began, now
            row = {"run": folder.name, "epoch": epoch + 1, "step": run.step, "of": ends[-1]}
            row |= {"loss": float(np.mean(losses)), "seconds": round(run.seconds, 1)}
            losses = []
            if at_end:
                row |= _evaluate(run, task, config)
            append_line(folder / "metrics.jsonl", row)
            say("  ".join(f"{key} {_short(value)}" for key, value in row.items()))
            _save(run, config, folder)
    return run


def _plan(task: Task, config: TrainConfig, epoch: int) -> list[list[Window]]:
    return plan_epoch(
        [len(example) for example in task.training],
        seed=config.training.seed,
        epoch=epoch,
        batch_tokens=config.training.batch_tokens,
        window_tokens=config.model.max_window_tokens,
        long_share=config.training.long_share,
    )


def _batch(windows: Sequence[Window], examples: Sequence[Example], task: Task) -> Batch:
    return collate(windows, examples, first=task.first, last=task.last, padding=task.padding)


def _step(run: Run, batch: Batch, config: TrainConfig) -> float:
    """One forward and backward pass and an update; returns the loss."""
    settings = config.training
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
        logits = run.model(input_ids=batch.ids, attention_mask=batch.mask).logits
    loss = loss_sum(keep_logit(logits, head_keep(run.model)), batch) / batch.weights.sum()
    if not math.isfinite(value := loss.item()):
        raise FloatingPointError(f"the loss is {value} at step {run.step}; lower learning_rate")
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), settings.max_gradient_norm)
    run.optimiser.step()
    run.optimiser.zero_grad()
    if run.average is not None:
        move_average(run.average, run.model, settings.average_decay, run.step)
    return value


def _evaluate(run: Run, task: Task, config: TrainConfig) -> dict[str, float]:
    """Held-out figures of the weights as they would ship; remembers them if they are the best."""
    current = copy_weights(run.model)
    if run.average is not None:
        run.model.load_state_dict(run.average)
    metrics = heldout_metrics(run.model, task, config)
    if not run.best or metrics["score"] > run.best_metrics["score"]:
        run.best, run.best_metrics = copy_weights(run.model), metrics
    run.model.load_state_dict(current)
    run.model.train()
    return metrics


def heldout_metrics(model: torch.nn.Module, task: Task, config: TrainConfig) -> dict[str, float]:
    """`rank_metrics` over all sub-words of the held-out passages."""
    logits = predict(
        model,
        task.heldout,
        first=task.first,
        last=task.last,
        padding=task.padding,
        batch_tokens=config.training.batch_tokens,
        precision=torch.bfloat16 if config.training.precision == "bfloat16" else torch.float32,
        keep=head_keep(model),
    )
    grades = np.concatenate([example.grades for example in task.heldout])
    return rank_metrics(np.concatenate(logits), grades)


def _start(model: torch.nn.Module, config: TrainConfig, folder: Path) -> Run:
    settings = config.training
    run = Run(model, make_optimiser(model, settings), None, {}, {})
    folder.mkdir(parents=True, exist_ok=True)
    state = checkpoint.load(folder)
    if state is None:
        torch.manual_seed(settings.seed)
        run.average = copy_weights(model) if settings.average_decay else None
    else:
        _check_settings(state["settings"], _settings(config), folder)
        model.load_state_dict(state["model"])
        run.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["generator"])
        run.average, run.best, run.best_metrics = (
            state[key] for key in ("average", "best", "best_metrics")
        )
        run.step, run.seconds = state["step"], state["seconds"]
    keep_lines(folder / "metrics.jsonl", run.step)
    return run


def _save(run: Run, config: TrainConfig, folder: Path) -> None:
    state = {
        "settings": _settings(config),
        "model": run.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "generator": torch.get_rng_state(),
        "average": run.average,
        "best": run.best,
        "best_metrics": run.best_metrics,
        "step": run.step,
        "seconds": run.seconds,
    }
    checkpoint.save(folder, run.step, state)


def _settings(config: TrainConfig) -> dict[str, Any]:
    """What the weights depend on; where they are written and on how many threads may change."""
    dumped = config.model_dump(exclude={"output": True, "training": {"members", "threads"}})
    return {f"{part}.{key}": value for part, keys in dumped.items() for key, value in keys.items()}


def _check_settings(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    for key, value in now.items():
        if before.get(key) != value:
            raise InputError(
                f"output.work: the checkpoint in {folder} was made with {key}={before.get(key)}, "
                f"not {value}; name another folder, or remove this one"
            )


def _short(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
