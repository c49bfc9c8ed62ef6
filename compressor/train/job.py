"""The job from end to end: data, one run or several, the mean of their weights, the folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from compressor.engine.memory import keep_freed_memory
from compressor.train.config import TrainConfig
from compressor.train.examples import cut, encode
from compressor.train.export import export, load_base, special_ids
from compressor.train.loop import Task, heldout_metrics, train
from compressor.train.metrics import append_line
from compressor.train.optimiser import Weights, mean_weights
from compressor.train.passages import ids_hash, read_passages, split_heldout

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
    passages = read_passages(config.data.path)
    training, heldout = split_heldout(
        passages, config.data.heldout_passages, seed=config.data.heldout_seed
    )
    held = {passage.text for passage in heldout}
    for path in config.data.also:
        training += [passage for passage in read_passages(path) if passage.text not in held]
    say(f"{len(training)} passages to train on, {len(heldout)} held out (ids {ids_hash(heldout)})")
    model, tokenizer = load_base(config.model, seed=_HEAD_SEED)
    first, last, padding = special_ids(tokenizer)
    size = config.model.max_window_tokens
    task = Task(
        training=cut(encode(training, tokenizer, config.labels), size),
        heldout=cut(encode(heldout, tokenizer, config.labels), size),
        first=first,
        last=last,
        padding=padding,
    )
    work = Path(config.output.work)
    members: list[Weights] = []
    seconds = 0.0
    for number, settings in enumerate(config.runs(), start=1):
        model, _ = load_base(config.model, seed=_HEAD_SEED)
        finished = train(model, task, settings, folder=work / f"run-{number}", say=say)
        members.append(finished.best)
        seconds += finished.seconds
    weights = mean_weights(members)
    model.load_state_dict(weights)
    metrics = heldout_metrics(model, task, config)
    result = {
        "step": 0,
        "runs": len(members),
        "heldout": ids_hash(heldout),
        "seconds": round(seconds, 1),
        **metrics,
    }
    append_line(work / "metrics.jsonl", result)
    export(model, weights, tokenizer, Path(config.output.path))
    say(f"held-out: {', '.join(f'{key} {value:.4f}' for key, value in metrics.items())}")
    say(f"model: {config.output.path}  (training took {seconds / 60:.1f} minutes)")
    return result
