"""All runs of a job, one after the other: what each worker does."""

from collections.abc import Callable
from typing import Any

from compressor.corpus.storage import Storage
from compressor.models.resolve import resolve, resolve_tokenizer
from compressor.train.config import TrainConfig
from compressor.train.export import load_base
from compressor.train.loop import train
from compressor.train.task import Task
from compressor.train.world import World

# All members start from one head: the mean of models with different starts is worth nothing.
_HEAD_SEED = 1


def train_runs(
    config: TrainConfig,
    task: Task,
    *,
    work: Storage,
    world: World,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Train every member of `config`; each leaves its checkpoints in `work`. Finished ones stay."""
    for number, settings in enumerate(config.runs(), start=1):
        model, _ = load(config, device=world.device.type)
        train(model, task, settings, folder=run_folder(work, number), world=world, say=say)


def load(config: TrainConfig, *, device: str = "cpu") -> tuple[Any, Any]:
    """(model, tokenizer) that every run starts from."""
    classes = 2 if config.labels.loss == "binary" else 1
    settings = config.model
    if settings.base == "default" or "://" in settings.base:
        folder = resolve(settings.base, config.data.storage_options)
        settings = settings.model_copy(update={"base": str(folder)})
    if settings.tokenizer is not None:
        folder = resolve_tokenizer(settings.tokenizer, config.data.storage_options)
        settings = settings.model_copy(update={"tokenizer": str(folder)})
    return load_base(settings, seed=_HEAD_SEED, classes=classes, device=device)


def run_folder(work: Storage, number: int) -> Storage:
    """Where run `number` (from 1) keeps its checkpoints and metrics."""
    return work.below(f"run-{number}")
