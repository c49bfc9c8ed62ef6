"""Figures of a model on the held-out passages, computed by all workers together."""

import numpy as np
import numpy.typing as npt
import torch

from compressor.train.config import TrainConfig
from compressor.train.loss import head_keep
from compressor.train.metrics import predict, rank_metrics
from compressor.train.task import Task
from compressor.train.world import World

Floats = npt.NDArray[np.float32]
_ALONE = World()


def heldout_metrics(
    model: torch.nn.Module, task: Task, config: TrainConfig, world: World = _ALONE
) -> dict[str, float]:
    """`heldout_loss` against the training targets, and `rank_metrics` by the teacher's grades.

    Over all sub-words of the held-out passages. Every worker predicts its share of them and gets
    the figures of all.
    """
    logits = _logits(model, task, config, world)
    grades, targets, weights = (
        np.concatenate([getattr(example, part) for example in task.heldout])
        for part in ("grades", "targets", "weights")
    )
    each = np.logaddexp(0, logits) - logits * targets
    loss = float((each * weights).sum(dtype=np.float64) / weights.sum(dtype=np.float64))
    return {"heldout_loss": loss, **rank_metrics(logits, grades)}


def _logits(model: torch.nn.Module, task: Task, config: TrainConfig, world: World) -> Floats:
    """Of all held-out sub-words, in order: each worker fills in its part of zeros, then the sum."""
    mine = range(world.rank, len(task.heldout), world.size)
    predicted = predict(
        model,
        [task.heldout[number] for number in mine],
        first=task.first,
        last=task.last,
        padding=task.padding,
        batch_tokens=config.training.batch_tokens,
        precision=getattr(torch, config.training.precision),
        keep=head_keep(model),
    )
    ends = np.cumsum([len(example) for example in task.heldout])
    logits = np.zeros(ends[-1], np.float32)
    for number, values in zip(mine, predicted, strict=True):
        logits[ends[number] - len(values) : ends[number]] = values
    total: Floats = world.all_reduce(torch.from_numpy(logits).to(world.device)).cpu().numpy()
    return total
