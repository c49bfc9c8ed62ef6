"""What the judge makes of each item without its passage, and with the whole of it.

Between these two lies what a compression can win: recovery, as the job `evaluate` defines it. They
depend on no policy, so they are judged once, and kept beside the checkpoints.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from compressor.corpus.storage import Storage
from compressor.engine.subwords import TokenCounter
from compressor.reader.config import ReaderSection
from compressor.reinforce.judge import Judge, Request
from compressor.reinforce.tokens.items import Item

Floats = npt.NDArray[np.float64]
_AT_ONCE = 256
"""Items of a file: when interrupted, so much is judged again at most."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An item with the judge's NLL in nats of what is wanted: bare, and after the whole passage."""

    item: Item
    bare: float
    whole: float

    @property
    def gainable(self) -> float:
        return self.bare - self.whole


def losses(
    items: Sequence[Item], contexts: Sequence[Sequence[str]], judge: Judge, counter: TokenCounter
) -> list[Floats]:
    """NLL in nats of what each item wants after each of its contexts, float64 [contexts] each.

    counter: by which the judge's losses are means over tokens.
    """
    requests = [
        Request([item.prompt(context) for context in own], None, item.wanted)
        for item, own in zip(items, contexts, strict=True)
    ]
    tokens = counter.count([f" {item.wanted.strip()}" for item in items]).clip(min=1)
    return [
        verdict.loss * size
        for verdict, size in zip(judge.judge(requests), tokens.tolist(), strict=True)
    ]


def with_references(
    items: Sequence[Item],
    judge: Judge,
    counter: TokenCounter,
    reader: ReaderSection,
    work: Storage,
    say: Callable[[str], None] = lambda _: None,
) -> list[Judged]:
    """The items with both losses, from `work` where they are known."""
    there = set(work.names())
    found: list[Judged] = []
    for first in range(0, len(items), _AT_ONCE):
        some = items[first : first + _AT_ONCE]
        name = f"references-{_fingerprint(some, reader)}.npy"
        if name in there:
            pairs = np.load(io.BytesIO(work.read(name)))
        else:
            say(f"the judge reads passages {first + 1:,} to {first + len(some):,}")
            pairs = np.stack(losses(some, [["", item.text] for item in some], judge, counter))
            buffer = io.BytesIO()
            np.save(buffer, pairs)
            work.put(name, buffer.getvalue())
        found += [
            Judged(item, float(bare), float(whole))
            for item, (bare, whole) in zip(some, pairs.tolist(), strict=True)
        ]
    return found


def _fingerprint(items: Iterable[Item], reader: ReaderSection) -> str:
    who = reader.model_dump(include={"model", "dtype", "base_url"})
    content = json.dumps([who, [astuple(item) for item in items]], sort_keys=True)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
