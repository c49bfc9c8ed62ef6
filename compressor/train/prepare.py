"""From the configured files to what is trained on: passages read, split, labelled, encoded."""

from collections.abc import Callable
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.train.config import TrainConfig
from compressor.train.examples import cut, encode
from compressor.train.export import special_ids
from compressor.train.passages import Passage, ids_hash, split_heldout
from compressor.train.read import read_passages, read_texts
from compressor.train.soft import soft_labels
from compressor.train.task import Task


def prepare(
    config: TrainConfig, tokenizer: Any, work: Storage, say: Callable[[str], None]
) -> tuple[Task, str]:
    """The examples, and a short name of the held-out set.

    Held-out passages get the teacher's labels alone. Raises `InputError` for what the user can
    mend.
    """
    training, heldout = _passages(config, say)
    soft = None
    if config.labels.soft_models:
        soft = soft_labels(
            [passage.text for passage in training],
            tokenizer,
            config.labels.soft_models,
            window=config.model.max_window_tokens,
            batch_tokens=config.training.batch_tokens,
            precision=getattr(torch, config.training.precision),
            device=config.model.device,
            cache=work,
            say=say,
        )
    first, last, padding = special_ids(tokenizer)
    size = config.model.max_window_tokens
    task = Task(
        training=cut(encode(training, tokenizer, config.labels, soft), size),
        heldout=cut(encode(heldout, tokenizer, config.labels), size),
        first=first,
        last=last,
        padding=padding,
    )
    return task, ids_hash(heldout)


def _passages(
    config: TrainConfig, say: Callable[[str], None]
) -> tuple[list[Passage], list[Passage]]:
    data = config.data
    labelled = read_passages(data.path, options=data.storage_options, say=say)
    training, heldout = split_heldout(labelled, data.heldout_passages, seed=data.heldout_seed)
    held = {passage.text for passage in heldout}
    more = [
        passage
        for path in data.also
        for passage in read_passages(path, options=data.storage_options, key="data.also", say=say)
    ]
    known = {passage.text for passage in [*training, *more]}
    unlabelled = [
        passage
        for path in data.unlabelled
        for passage in read_texts(path, options=data.storage_options)
        if passage.text not in known
    ]
    training += [passage for passage in [*more, *unlabelled] if passage.text not in held]
    without = f" ({len(unlabelled)} without labels)" if unlabelled else ""
    say(
        f"{len(training)} passages to train on{without}, {len(heldout)} held out "
        f"(ids {ids_hash(heldout)})"
    )
    return training, heldout
