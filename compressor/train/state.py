"""All that changes while training, and its way to a checkpoint and back."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.errors import JobError
from compressor.train import checkpoint
from compressor.train.config import TrainConfig
from compressor.train.metrics import keep_lines
from compressor.train.optimiser import Weights, copy_weights, make_optimiser
from compressor.train.settings import check_settings, write_settings
from compressor.train.world import World


@dataclass
class Run:
    """A run after `step` steps. `best`: on the CPU."""

    model: torch.nn.Module
    optimiser: torch.optim.AdamW
    average: Weights | None = None
    best: Weights = field(default_factory=dict)
    best_metrics: dict[str, float] = field(default_factory=dict)
    least_loss: float = math.inf  # of the evaluations on held-out passages
    waited: int = 0  # evaluations since then
    stopped: bool = False  # early
    step: int = 0  # over all epochs
    seconds: float = 0.0  # of training, interruptions left out


_PLAIN = ("average", "best", "best_metrics", "least_loss", "waited", "stopped", "step", "seconds")


def start_run(
    model: torch.nn.Module,
    config: TrainConfig,
    folder: Storage,
    world: World,
    say: Callable[[str], None],
) -> Run:
    """A new run, or the one whose checkpoint is in `folder`; `model` is on its device.

    Raises `InputError` when that was made with other settings, and `JobError` when not all workers
    find the same checkpoint.
    """
    check_run(config, folder)
    run = Run(model, make_optimiser(model, config.training))
    state = checkpoint.load(folder, say)
    if state is not None:
        model.load_state_dict(state["model"])
        run.optimiser.load_state_dict(state["optimiser"])
        for name in _PLAIN:
            setattr(run, name, state[name])
        if run.average is not None:
            run.average = {name: value.to(world.device) for name, value in run.average.items()}
    elif config.training.average_decay:
        run.average = copy_weights(model)
    # The steps of all workers have no variance; so every worker comes to the same verdict.
    moments = torch.tensor([run.step, run.step**2], dtype=torch.float64, device=world.device)
    total, squares = world.all_reduce(moments).tolist()
    if total**2 != squares * world.size:
        raise JobError(
            f"output.work: workers found different checkpoints in {folder.url}; "
            "all nodes must see that folder: use S3 or a shared filesystem"
        )
    if world.rank == 0:
        write_settings(_settings(config), folder)
        keep_lines(folder, run.step)
    return run


def save_run(run: Run, folder: Storage) -> None:
    """Write the checkpoint after the run's last step."""
    state = {name: getattr(run, name) for name in _PLAIN}
    state |= {"model": run.model.state_dict(), "optimiser": run.optimiser.state_dict()}
    checkpoint.save(folder, run.step, state)


@dataclass(frozen=True)
class Finished:
    """What a finished run leaves: its best weights, their held-out figures, seconds of training."""

    best: Weights
    best_metrics: dict[str, float]
    seconds: float


def finished_run(folder: Storage) -> Finished:
    """Read it from the run's last checkpoint; raises `JobError` where there is none."""
    state = checkpoint.load(folder)
    if state is None:
        raise JobError(f"{folder.url}: no checkpoint there, though the run has ended")
    return Finished(*(state[name] for name in Finished.__dataclass_fields__))


def check_run(config: TrainConfig, folder: Storage) -> None:
    """Raise `InputError` when what is in `folder` was made with other settings."""
    check_settings(_settings(config), folder)


def _settings(config: TrainConfig) -> dict[str, Any]:
    """What the weights depend on; where they are written and who computes them may change."""
    dumped = config.model_dump(
        mode="json",
        exclude={
            "output": True,
            "cluster": True,
            "data": {"storage_options"},
            "model": {"device"},
            "training": {"members", "workers", "gpus_per_worker", "retries", "threads"},
        },
    )
    return {f"{part}.{key}": value for part, keys in dumped.items() for key, value in keys.items()}
