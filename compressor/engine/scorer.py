"""A model replica: windows of sub-word ids in, P(keep) per sub-word out.

The forward pass says which windows go together; what a text gets doesn't depend on its neighbours.
A few batches are under way at a time, so that a GPU has the next one when it is done with the last.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward.choice import Forward, batch_tokens, choose_forward
from compressor.engine.forward.pending import Pending
from compressor.engine.forward.sequences import Sequences, surround
from compressor.engine.windows import Windows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Auto = Literal["auto"]


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What a checkpoint wants around and beside its sub-words.

    prefix, suffix: special ids around a window; pad: the id behind a shorter one; window:
    sub-words of a window at most; keep: the index of the label "keep" among the logits, or None
    for a single logit.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int
    window: int
    keep: int | None

    @property
    def specials(self) -> int:
        return len(self.prefix) + len(self.suffix)


@dataclass(slots=True)
class _Item:
    """What is scored together: its windows, those `left` to score, and what is known by now."""

    ids: Ints
    first: Ints
    size: Ints
    left: int
    scores: Floats
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """Some windows of an item, by index."""

    item: _Item
    windows: Ints


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch on its device. For each part: which tokens are sub-words, and which ones."""

    parts: Sequence[_Part]
    places: Sequence[tuple[Flags, Ints]]
    pending: Pending

    def finish(self) -> float:
        """Wait for the margins and hand them out; the seconds that the device took."""
        margins = self.pending()
        scores, at = _probabilities(margins.values), 0
        for part, (solid, source) in zip(self.parts, self.places, strict=True):
            here = scores[at : at + len(solid)]
            part.item.scores[source] = here[solid]
            part.item.seconds += margins.seconds * len(here) / len(scores)
            part.item.left -= len(part.windows)
            at += len(solid)
        return margins.seconds


class Scorer:
    """Scores windows on one device. Thread-safe; `model_seconds` adds up over calls.

    model: a token classifier of transformers; max_batch_tokens: sub-words in one forward pass, or
    "auto". A GPU that has no room for that many gets half as many from then on.
    """

    def __init__(
        self, model: Any, form: ModelInput, device: torch.device, *, max_batch_tokens: int | Auto
    ) -> None:
        self.form = form
        self.device = device
        self.model_seconds = 0.0
        self._forward: Forward = choose_forward(
            model, device, pad=form.pad, longest=form.window + form.specials, keep=form.keep
        )
        self.max_batch_tokens = (
            batch_tokens(model, device) if max_batch_tokens == "auto" else max_batch_tokens
        )
        self._turn = threading.Lock()
        self._lock = threading.Lock()

    def score(self, items: Iterable[tuple[Ints, Windows]]) -> Iterator[tuple[Floats, float]]:
        """P(keep) of every sub-word, float32 [len(ids)], and the seconds the device took.

        items: sub-word ids and windows that cover all of them. What comes out is in their order
        and may be some items behind: where batches should be full, an item's last windows wait for
        those of the next one. Raises `torch.OutOfMemoryError` where not even a window has room.
        """
        unscored: deque[_Item] = deque()
        under_way: deque[_UnderWay] = deque()

        def noted() -> Iterator[_Item]:
            for ids, windows in items:
                size = windows.last - windows.first
                scores = np.zeros(len(ids), np.float32)
                unscored.append(_Item(ids, windows.first, size, len(size), scores))
                yield unscored[-1]

        def finished(ahead: int) -> Iterator[tuple[Floats, float]]:
            while len(under_way) > ahead:
                seconds = under_way.popleft().finish()
                with self._lock:
                    self.model_seconds += seconds
            while unscored and not unscored[0].left:
                item = unscored.popleft()
                yield item.scores, item.seconds

        for parts in self._batches(noted()):
            for batch in self._started(parts):
                under_way.append(batch)
                yield from finished(self._forward.ahead)
        yield from finished(0)

    def _batches(self, items: Iterator[_Item]) -> Iterator[list[_Part]]:
        waiting: list[_Part] = []
        for item in items:
            parts = [*waiting, _Part(item, np.arange(item.left))]
            batches = list(self._split(parts))
            waiting = batches.pop() if batches and self._forward.fixed_size else []
            yield from batches
        yield from self._split(waiting)

    def _split(self, parts: Sequence[_Part]) -> Iterator[list[_Part]]:
        """The windows of all parts in batches."""
        parts = [part for part in parts if len(part.windows)]
        if not parts:
            return
        windows = np.concatenate([part.windows for part in parts])
        owner = np.repeat(np.arange(len(parts)), [len(part.windows) for part in parts])
        sizes = np.concatenate([part.item.size[part.windows] for part in parts])
        for some in self._forward.batches(sizes + self.form.specials, self.max_batch_tokens):
            whose = owner[some]
            yield [_Part(parts[one].item, windows[some[whose == one]]) for one in np.unique(whose)]

    def _started(self, parts: list[_Part]) -> Iterator[_UnderWay]:
        """A batch under way; in halves where the device has no room for it."""
        form, limit = self.form, self.max_batch_tokens
        sizes = np.concatenate([part.item.size[part.windows] for part in parts]) + form.specials
        if len(sizes) > 1 and sizes.sum() > limit:  # made before the limit fell
            yield from self._in_smaller(parts)
            return
        sequences: list[Sequences] = []
        places: list[tuple[Flags, Ints]] = []
        for part in parts:
            first, size = part.item.first[part.windows], part.item.size[part.windows]
            own, solid, source = surround(part.item.ids, first, size, form.prefix, form.suffix)
            sequences.append(own)
            places.append((solid, source))
        try:
            # On a CPU this is the forward pass itself, and two would share its threads.
            with self._turn:
                pending = self._forward.start(Sequences.joined(sequences), limit)
        except torch.OutOfMemoryError:
            if limit // 2 < form.window + form.specials:
                raise
            torch.cuda.empty_cache()
            with self._lock:  # remembered, so that the next batches don't fail first
                self.max_batch_tokens = min(self.max_batch_tokens, limit // 2)
        else:
            yield _UnderWay(parts, places, pending)
            return
        yield from self._in_smaller(parts)

    def _in_smaller(self, parts: list[_Part]) -> Iterator[_UnderWay]:
        for fewer in self._split(parts):
            yield from self._started(fewer)


def _probabilities(margins: Floats) -> Floats:
    # In float64: torch's float32 sigmoid rounds differently where a tensor's last lanes lie.
    return np.asarray(1 / (1 + np.exp(-margins.astype(np.float64))), np.float32)
