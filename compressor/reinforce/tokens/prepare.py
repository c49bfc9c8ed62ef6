"""From files to a world: passages read, judged bare and whole, held out."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compressor.corpus.storage import Storage
from compressor.engine.subwords import TokenCounter
from compressor.errors import InputError
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import Judge
from compressor.reinforce.tokens.environment import World
from compressor.reinforce.tokens.items import (
    ANSWER,
    CONTINUATION,
    Excluded,
    Item,
    read_pairs,
    read_texts,
)
from compressor.reinforce.tokens.references import Judged, with_references

Say = Callable[[str], None]


def read_items(config: ReinforceConfig, tokenizer: TokenCounter) -> list[Item]:
    """The passages of pairs and of texts, each once; tokenizer: the compressor's.

    Raises `InputError` where a file gives none, or too few to hold some out.
    """
    data, passages = config.data, config.passages
    options: dict[str, Any] = data.storage_options
    excluded = Excluded(data.exclude, passages, options)
    generator = np.random.default_rng([data.seed, 0])
    items: list[Item] = []
    for key, paths, read in (
        ("passages.pairs", passages.pairs, read_pairs),
        ("passages.texts", passages.texts, read_texts),
    ):
        found = list(dict.fromkeys(read(passages, excluded, tokenizer, options)))
        if paths and not found:
            raise InputError(
                f"{key}: gives no passage to learn from: all are in data.exclude, too long or too "
                "short, or hold no answer"
            )
        if passages.limit is not None and len(found) > passages.limit:
            drawn = np.sort(generator.permutation(len(found))[: passages.limit])
            found = [found[at] for at in drawn.tolist()]
        if paths and len(found) <= data.heldout:
            raise InputError(_too_few(config, len(found), key))
        items += found
    return items


def prepare(
    config: ReinforceConfig,
    items: Sequence[Item],
    tokenizer: TokenCounter,
    counter: TokenCounter,
    judge: Judge,
    work: Storage,
    say: Say = lambda _: None,
) -> World:
    """Have the judge read all items bare and whole; those that help it too little are left out.

    tokenizer: the compressor's; counter: the judge's. Raises `InputError` where too few are left.
    """
    found = with_references(items, judge, counter, config.reader, work, say)
    good = [one for one in found if one.gainable >= config.passages.least_gain]
    if len(good) < len(found):
        say(f"{len(found) - len(good):,} of {len(found):,} passages tell the judge too little")
    generator = np.random.default_rng([config.data.seed, 1])
    training: list[Judged] = []
    heldout: list[Judged] = []
    for kind in dict.fromkeys(one.item.kind for one in found):
        own = [one for one in good if one.item.kind == kind]
        learnt, kept = held_out(own, config.data.heldout, generator)
        if not learnt:
            raise InputError(
                _too_few(config, len(own), f"passages.least_gain leaves too little: {kind}s")
            )
        training, heldout = training + learnt, heldout + kept
    sources = {one.item.source for one in heldout}
    training = [one for one in training if one.item.source not in sources]
    if {one.item.kind for one in training} < {one.item.kind for one in heldout}:
        raise InputError("data.heldout: the held-out texts leave none to train on; give more texts")
    for kind in (ANSWER, CONTINUATION):
        if own := [one for one in training if one.item.kind == kind]:
            kept = [one for one in heldout if one.item.kind == kind]
            say(f"{kind}s: {len(own):,} to learn from, {len(kept)} held out")
    return World(training, heldout, tokenizer, counter, config)


def held_out(
    items: Sequence[Judged], count: int, generator: np.random.Generator
) -> tuple[list[Judged], list[Judged]]:
    """(training, held out): `count` items of whole texts, drawn, and all of other texts."""
    by_source: dict[str, list[Judged]] = {}
    for one in items:
        by_source.setdefault(one.item.source, []).append(one)
    sources = list(by_source)
    heldout: list[Judged] = []
    training: list[Judged] = []
    for at in generator.permutation(len(sources)).tolist():
        own = by_source[sources[at]]
        if len(heldout) < count:
            heldout += own[: count - len(heldout)]
        else:
            training += own
    return training, heldout


def _too_few(config: ReinforceConfig, count: int, what: str) -> str:
    return (
        f"{what}: {count} passages, of which data.heldout={config.data.heldout} are to be held "
        "out; lower that, or give more"
    )
