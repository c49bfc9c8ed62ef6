"""The job from end to end: data, one run or several, the mean of their weights, the folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.engine.memory import keep_freed_memory
from compressor.train.config import TrainConfig
from compressor.train.export import export, load_base
from compressor.train.loop import heldout_metrics, train
from compressor.train.metrics import append_line
from compressor.train.optimiser import Weights, mean_weights
from compressor.train.prepare import prepare

# All members start from one head: the mean of models with different starts is worth nothing.
_HEAD_SEED = 1


def run(config: TrainConfig, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train as `config` says, write the model to `output.path`; returns its held-out figures.

    Safe to interrupt and to run again: finished runs aren't repeated. Raises `InputError` for what
    the user can mend.
    """
    keep_freed_memory()
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    work = Path(config.output.work)
    classes = 2 if config.labels.loss == "binary" else 1
    model, tokenizer = load_base(config.model, seed=_HEAD_SEED, classes=classes)
    task, heldout = prepare(config, tokenizer, Storage.at(str(work), key="output.work"), say)
    members: list[Weights] = []
    seconds = 0.0
    for number, settings in enumerate(config.runs(), start=1):
        model, _ = load_base(config.model, seed=_HEAD_SEED, classes=classes)
        finished = train(model, task, settings, folder=work / f"run-{number}", say=say)
        members.append(finished.best)
        seconds += finished.seconds
    weights = mean_weights(members)
    model.load_state_dict(weights)
    metrics = heldout_metrics(model, task, config)
    result = {
        "step": 0,
        "runs": len(members),
        "heldout": heldout,
        "seconds": round(seconds, 1),
        **metrics,
    }
    append_line(work / "metrics.jsonl", result)
    export(model, weights, tokenizer, Path(config.output.path))
    say(f"held-out: {', '.join(f'{key} {value:.4f}' for key, value in metrics.items())}")
    say(f"model: {config.output.path}  (training took {seconds / 60:.1f} minutes)")
    return result
