"""`task: tokens` from end to end: passages, judge, learning, and a checkpoint like any other."""

from collections.abc import Callable
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.engine.memory import keep_freed_memory
from compressor.engine.subwords import FastTokenizer
from compressor.models.checkpoint import load_checkpoint
from compressor.models.resolve import resolve
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import judge_counter
from compressor.reinforce.plot import plot_curves
from compressor.reinforce.replicas import opened
from compressor.reinforce.state import check_run
from compressor.reinforce.tokens.learner import reinforce
from compressor.reinforce.tokens.policy import TokenPolicy, checkpoint_weights
from compressor.reinforce.tokens.prepare import prepare, read_items
from compressor.train.export import export
from compressor.train.metrics import read_lines

Say = Callable[[str], None]
_PANELS = (
    ("reward", "heldout_reward"),
    ("answer", "heldout_answer"),
    ("continuation", "heldout_continuation"),
    ("spread", "heldout_facts"),
    ("entropy",),
    ("kl",),
)


def run(
    config: ReinforceConfig, work: Storage, target: Storage, say: Say = print
) -> dict[str, Any]:
    """Fine-tune as `config` says, write the checkpoint to `target`; returns its held-out figures.

    Safe to interrupt and to run again. Raises `InputError` for what the user can mend.
    """
    with work.explained():
        check_run(config, work)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    keep_freed_memory()
    section = config.compressor
    folder = resolve(section.start, config.data.storage_options)
    start = load_checkpoint(folder, section.start, device=section.device, dtype="float32")
    tokenizer = FastTokenizer(start.tokenizer)
    items = read_items(config, tokenizer)
    policy = TokenPolicy(start.model, start.form, max_batch_tokens=section.max_batch_tokens)
    counter = judge_counter(config.reader, config.reward.tokenizer)
    with opened(config, counter) as judge:
        world = prepare(config, items, tokenizer, counter, judge, work, say)
        finished = reinforce(policy, world, judge, config, folder=work, say=say)
    export(start.model, checkpoint_weights(finished.best), start.tokenizer, target)
    rows = read_lines(work)
    plot_curves(rows, work, say, _PANELS)
    metrics = {key.removeprefix("heldout_"): value for key, value in finished.best_metrics.items()}
    say("held-out: " + ", ".join(_change(key, metrics[key], rows[0]) for key in metrics))
    say(f"model: {config.output.path}  (training took {finished.seconds / 60:.1f} minutes)")
    return {"seconds": round(finished.seconds, 1), **metrics}


def _change(key: str, after: float, first: dict[str, Any]) -> str:
    """A figure of the best weights, and of those that it began with."""
    return f"{key} {first[f'heldout_{key}']:.4f} -> {after:.4f}"
