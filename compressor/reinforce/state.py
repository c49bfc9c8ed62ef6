"""All that changes while a policy learns, and its way to a checkpoint and back."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch

from compressor.corpus.storage import Storage
from compressor.reinforce.config import ReinforceConfig, TrainingSection
from compressor.reinforce.policy import Learnt
from compressor.train import checkpoint
from compressor.train.metrics import keep_lines
from compressor.train.optimiser import Weights, copy_weights
from compressor.train.settings import check_settings, write_settings

_PLAIN = ("step", "seconds", "best", "best_metrics")
Learns = TypeVar("Learns", bound=Learnt)


@dataclass
class Run(Generic[Learns]):
    """A run after `step` steps; start: the policy that it began with."""

    policy: Learns
    start: Learns
    optimiser: torch.optim.Adam
    step: int = 0
    seconds: float = 0.0  # of training, interruptions left out
    best: Weights = field(default_factory=dict)
    best_metrics: dict[str, float] = field(default_factory=dict)

    def remember(self, metrics: dict[str, float]) -> None:
        """Keep the weights if their held-out reward is the highest yet."""
        if metrics["heldout_reward"] > self.best_metrics.get("heldout_reward", -math.inf):
            self.best, self.best_metrics = copy_weights(self.policy), metrics

    def progress(self, settings: TrainingSection, further: int = 0) -> float:
        """The part of the training that is done, `further` steps from now: of its steps, or of its
        time where that ends it.
        """
        timed = self.seconds / (60 * settings.max_minutes) if settings.max_minutes else 0.0
        return min(1.0, max((self.step + further) / settings.steps, timed))

    def update(self, settings: TrainingSection) -> None:
        """Apply the gradients; the rates fall in a line to a tenth."""
        left = 1 - 0.9 * self.progress(settings)
        for group in self.optimiser.param_groups:
            group["lr"] = left * group["peak"]
        self.optimiser.step()
        self.optimiser.zero_grad()


def start_run(
    policy: Learns, config: ReinforceConfig, folder: Storage, say: Callable[[str], None]
) -> Run[Learns]:
    """A new run, or the one whose checkpoint is in `folder`.

    Raises `InputError` when that was made with other settings.
    """
    check_run(config, folder)
    rates = {
        "heads": config.training.learning_rate,
        "features": config.training.feature_learning_rate,
    }
    optimiser = torch.optim.Adam(
        [{"params": some, "lr": rates[name], "peak": rates[name]} for name, some in policy.groups()]
    )
    run = Run(policy, copy.deepcopy(policy).requires_grad_(False), optimiser)
    state = checkpoint.load(folder, say)
    if state is not None:
        policy.load_state_dict(state["policy"])
        optimiser.load_state_dict(state["optimiser"])
        for name in _PLAIN:
            setattr(run, name, state[name])
    write_settings(_settings(config), folder)
    keep_lines(folder, run.step if state is not None else -1)
    return run


def check_run(config: ReinforceConfig, folder: Storage) -> None:
    """Raise `InputError` when what is in `folder` was made with other settings."""
    check_settings(_settings(config), folder)


def save_run(run: Run[Learns], folder: Storage) -> None:
    """Write the checkpoint after the run's last step."""
    state = {name: getattr(run, name) for name in _PLAIN}
    state |= {"policy": run.policy.state_dict(), "optimiser": run.optimiser.state_dict()}
    checkpoint.save(folder, run.step, state)


def _settings(config: ReinforceConfig) -> dict[str, Any]:
    """What the weights depend on; where they are written and who judges may change."""
    dumped = config.model_dump(
        mode="json",
        exclude={
            "task": True,
            "output": True,
            "cluster": True,
            "data": {"storage_options"},
            "policy": {"device", "remember"},
            "compressor": {"device"},
            "reader": {"device", "api_key_env", "concurrency"},
            "training": {"threads", "thresholds", "max_minutes"},
        },
    )
    dumped = {part: keys for part, keys in dumped.items() if part not in config.foreign}
    return {f"{part}.{key}": value for part, keys in dumped.items() for key, value in keys.items()}
