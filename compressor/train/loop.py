"""One fine-tuning run: steps, evaluations, checkpoints, resumption, by one process or several.

The run is a function of its settings and data. A step's windows follow from (seed, epoch) and are
dealt into `training.slots` parts, each with dropout of its own from (seed, step, slot); gradients
are summed over the parts and divided by the weight of all of them. Workers share the slots, so
their number changes the order of sums and nothing else. Interrupted anywhere and started again, one
worker ends with the same weights, bit for bit.
"""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from compressor.corpus.storage import Storage
from compressor.errors import JobError
from compressor.train.batches import Window, collate, plan_epoch
from compressor.train.config import TrainConfig
from compressor.train.examples import Example
from compressor.train.heldout import heldout_metrics
from compressor.train.loss import head_keep, keep_logit, loss_sum
from compressor.train.metrics import append_line, is_better
from compressor.train.optimiser import (
    copy_weights,
    learning_rate,
    move_average,
    set_learning_rate,
)
from compressor.train.state import Run, save_run, start_run
from compressor.train.task import Task
from compressor.train.world import World

_ALONE = World()


def train(
    model: torch.nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    folder: Storage,
    world: World = _ALONE,
    say: Callable[[str], None] = lambda _: None,
    stop_after: int | None = None,
) -> Run:
    """Fine-tune `model` in place; the weights of the best evaluation are in the result's `best`.

    `folder` gets checkpoints and `metrics.jsonl`; what is there already is gone on from. `say`
    takes lines for the terminal. All workers of `world` must call this alike; the first one writes
    and says. `stop_after` interrupts after that many steps of this call. Raises `InputError` when
    the folder's checkpoint was made with other settings, and `JobError` when the loss is no number.
    """
    settings = config.training
    first = world.rank == 0
    plans = [_plan(task.training, config, epoch) for epoch in range(settings.epochs)]
    ends = np.cumsum([len(plan) for plan in plans]).tolist()
    name = folder.url.rpartition("/")[2]
    say = say if first else lambda _: None
    run = start_run(model.to(world.device), config, folder, world, say)
    if run.step:
        say(f"{name}: going on after step {run.step} of {ends[-1]}")
    model.train()
    stop = math.inf if stop_after is None else run.step + stop_after
    losses: list[float] = []
    began = time.perf_counter()
    while run.step < ends[-1] and run.step < stop and not run.stopped:
        epoch = int(np.searchsorted(ends, run.step, side="right"))
        windows = plans[epoch][run.step - ends[epoch] + len(plans[epoch])]
        set_learning_rate(run.optimiser, learning_rate(run.step, ends[-1], settings))
        losses.append(_step(run, windows, task, config, world))
        run.step += 1
        if _is_evaluated(run.step, ends, settings.evaluate_steps):
            metrics = _evaluate(run, task, config, world)
        elif run.step in ends or run.step % config.output.checkpoint_steps == 0:
            metrics = {}
        else:
            continue
        now = time.perf_counter()
        run.seconds, began = run.seconds + now - began, now
        row = {"run": name, "epoch": epoch + 1, "step": run.step, "of": ends[-1]}
        row |= {"loss": float(np.mean(losses)), "seconds": round(run.seconds, 1), **metrics}
        losses = []
        if first:
            append_line(folder, row)
            save_run(run, folder)
        say("  ".join(f"{key} {_short(value)}" for key, value in row.items()))
        if run.stopped:
            say(f"{name}: stopped early, held-out loss has not fallen for {run.waited} evaluations")
    return run


def _plan(training: Sequence[Example], config: TrainConfig, epoch: int) -> list[list[Window]]:
    return plan_epoch(
        [len(example) for example in training],
        seed=config.training.seed,
        epoch=epoch,
        batch_tokens=config.training.batch_tokens,
        window_tokens=config.model.max_window_tokens,
        long_share=config.training.long_share,
    )


def _is_evaluated(step: int, ends: Sequence[int], every: int | None) -> bool:
    return step in ends if every is None else step % every == 0 or step == ends[-1]


def _step(
    run: Run, windows: Sequence[Window], task: Task, config: TrainConfig, world: World
) -> float:
    """This worker's slots forward and backward, the sum over workers, an update; the loss."""
    settings = config.training
    weight = sum(task.weights[i] for window in windows for i in window)
    loss = torch.zeros((), device=world.device)
    for slot in range(world.rank, settings.slots, world.size):
        if part := windows[slot :: settings.slots]:
            torch.manual_seed(_slot_seed(settings.seed, run.step, slot))
            loss += _backward(run.model, part, task, config, weight)
    loss = _sum_over_workers(run.model, loss, world)
    if not math.isfinite(value := loss.item()):
        raise JobError(f"the loss is {value} at step {run.step}; lower training.learning_rate")
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), settings.max_gradient_norm)
    run.optimiser.step()
    run.optimiser.zero_grad()
    if run.average is not None:
        move_average(run.average, run.model, settings.average_decay, run.step)
    return value


def _slot_seed(seed: int, step: int, slot: int) -> int:
    """Independent streams, whatever the three numbers."""
    mixed = np.random.SeedSequence([seed, step, slot])
    return int(mixed.generate_state(1, np.uint64)[0])


def _backward(
    model: torch.nn.Module,
    windows: Sequence[Window],
    task: Task,
    config: TrainConfig,
    weight: float,
) -> torch.Tensor:
    """Add the gradient of these windows' part of the loss; returns that part."""
    batch = collate(
        windows, task.training, first=task.first, last=task.last, padding=task.padding
    ).to(next(model.parameters()).device)
    bfloat16 = config.training.precision == "bfloat16"
    with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=bfloat16):
        logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits
    loss = loss_sum(keep_logit(logits, head_keep(model)), batch) / weight
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _sum_over_workers(model: torch.nn.Module, loss: torch.Tensor, world: World) -> torch.Tensor:
    """Sum gradients and loss over all workers in one message; returns the loss."""
    if world.size == 1:
        return loss
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), loss.reshape(1)])
    world.all_reduce(flat)
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, part in zip(parameters, torch.split(flat[:-1], sizes), strict=True):
        parameter.grad = part.view_as(parameter)
    return flat[-1]


def _evaluate(run: Run, task: Task, config: TrainConfig, world: World) -> dict[str, float]:
    """Held-out figures of the weights as they would ship; remembers them if they are the best.

    Also counts the evaluations since the held-out loss was lowest, and ends the run by them.
    """
    settings = config.training
    current = copy_weights(run.model)
    if run.average is not None:
        run.model.load_state_dict(run.average)
    metrics = heldout_metrics(run.model, task, config, world)
    if not run.best or is_better(metrics, run.best_metrics, settings.best_by):
        run.best = {name: value.cpu() for name, value in copy_weights(run.model).items()}
        run.best_metrics = metrics
    run.model.load_state_dict(current)
    run.model.train()
    if metrics["heldout_loss"] < run.least_loss:
        run.least_loss, run.waited = metrics["heldout_loss"], 0
    else:
        run.waited += 1
    run.stopped = settings.patience is not None and run.waited >= settings.patience
    return metrics


def _short(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
