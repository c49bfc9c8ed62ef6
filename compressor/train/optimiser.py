"""AdamW with a learning rate per layer, the one-cycle schedule, and averages of weights."""

import itertools
import math
from collections.abc import Iterable, Sequence

import torch

from compressor.train.config import TrainingSection

Weights = dict[str, torch.Tensor]


def make_optimiser(model: torch.nn.Module, settings: TrainingSection) -> torch.optim.AdamW:
    """One parameter group per (depth, decayed or not); `depth_share` scales its learning rate."""
    depths = {name: _depth(name) for name, _ in model.named_parameters()}
    top = max((depth for depth in depths.values() if depth is not None), default=-1) + 1
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        depth = depths[name]
        below_head = 0 if depth is None else top - depth
        groups.setdefault((below_head, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "depth_share": settings.layer_decay**below_head,
                "weight_decay": settings.weight_decay if decayed else 0.0,
            }
            for (below_head, decayed), parameters in sorted(groups.items(), key=lambda g: g[0])
        ],
        lr=settings.learning_rate,
        fused=True,
    )


def _depth(name: str) -> int | None:
    """Encoder layer n is at depth n, embeddings at -1, the head at none."""
    parts = name.split(".")
    if "embeddings" in parts:
        return -1
    for part, following in itertools.pairwise(parts):
        if part in {"layer", "layers"} and following.isdigit():
            return int(following)
    return None


def learning_rate(step: int, steps: int, settings: TrainingSection) -> float:
    """The rate of step `step` (from 0) of `steps`: up in a line, then down as a cosine or level."""
    warmup = settings.warmup_share * steps
    if step + 1 <= warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - warmup) / max(steps - warmup, 1)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["depth_share"]


def move_average(average: Weights, model: torch.nn.Module, decay: float, step: int) -> None:
    """Move `average`, in place, towards the model's weights; early steps count less history."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - decay)


def copy_weights(model: torch.nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def mean_weights(members: Sequence[Weights]) -> Weights:
    """The mean of models that were fine-tuned from the same start ("model soup")."""
    return {name: _mean(member[name] for member in members) for name in members[0]}


def _mean(values: Iterable[torch.Tensor]) -> torch.Tensor:
    stacked = torch.stack(list(values))
    return stacked.mean(0) if stacked.is_floating_point() else stacked[0]
