"""The job from end to end: data, one run or several, the mean of their weights, the folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.engine.memory import keep_freed_memory
from compressor.models.checkpoint import choose_device, positions
from compressor.train.config import TrainConfig
from compressor.train.export import export
from compressor.train.heldout import heldout_metrics
from compressor.train.metrics import read_lines, write_lines
from compressor.train.optimiser import mean_weights
from compressor.train.plot import plot_curves
from compressor.train.prepare import prepare
from compressor.train.runs import load, run_folder, train_runs
from compressor.train.state import check_run, finished_run
from compressor.train.task import Task
from compressor.train.world import World

Say = Callable[[str], None]


def run(config: TrainConfig, say: Say = print) -> dict[str, Any]:
    """Train as `config` says, write the model to `output.path`; returns its held-out figures.

    Safe to interrupt and to run again: finished runs aren't repeated. Raises `InputError` for what
    the user can mend.
    """
    work = Storage.at(config.output.work, config.output.storage_options, key="output.work")
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    config = _with_full_path(config)
    model, tokenizer = load(config)
    config = _with_windows_that_fit(config, model, say)
    runs = config.runs()
    for number, settings in enumerate(runs, start=1):
        check_run(settings, run_folder(work, number))
    task, heldout = prepare(config, tokenizer, work, say)
    _train(config, task, work, say)
    finished = [finished_run(run_folder(work, number + 1)) for number in range(len(runs))]
    weights = mean_weights([one.best for one in finished])
    metrics = finished[0].best_metrics
    if len(runs) > 1:
        model.load_state_dict(weights)
        metrics = heldout_metrics(model, task, config)
    seconds = sum(one.seconds for one in finished)
    result = {
        "step": 0,
        "runs": len(runs),
        "heldout": heldout,
        "seconds": round(seconds, 1),
        **metrics,
    }
    rows = [row for number in range(len(runs)) for row in read_lines(run_folder(work, number + 1))]
    write_lines(work, [*rows, result])
    plot_curves(rows, work, say)
    export(model, weights, tokenizer, target)
    say(f"held-out: {', '.join(f'{key} {value:.4f}' for key, value in metrics.items())}")
    say(f"model: {config.output.path}  (training took {seconds / 60:.1f} minutes)")
    return result


def _train(config: TrainConfig, task: Task, work: Storage, say: Say) -> None:
    if config.training.workers > 1 or config.cluster.address:
        from compressor.train.cluster import train_on_ray

        train_on_ray(config, task, work, say)
        return
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    keep_freed_memory()
    world = World(device=choose_device(config.model.device))
    train_runs(config, task, work=work, world=world, say=say)


def _with_full_path(config: TrainConfig) -> TrainConfig:
    """A base in a directory by its full path, as workers run in folders of their own."""
    if not Path(config.model.base).is_dir():
        return config
    section = config.model.model_copy(update={"base": str(Path(config.model.base).absolute())})
    return config.model_copy(update={"model": section})


def _with_windows_that_fit(config: TrainConfig, model: Any, say: Say) -> TrainConfig:
    most = positions(model.config) - 2
    if config.model.max_window_tokens <= most:
        return config
    say(f"model.max_window_tokens: {most}, as the base has {most + 2} positions")
    section = config.model.model_copy(update={"max_window_tokens": most})
    return config.model_copy(update={"model": section})
