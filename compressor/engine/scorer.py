"""A model replica: windows of sub-word ids in, P(keep) per sub-word out.

Windows of similar length share a batch. The padded length of a window depends on that window
alone, and full windows never share a batch with padded ones (attention takes another path without
a mask), so what a text gets doesn't depend on its neighbours.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.windows import Windows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


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


class Scorer:
    """Scores windows on one device. Thread-safe; `model_seconds` adds up over calls."""

    def __init__(
        self, model: Any, form: ModelInput, device: torch.device, *, max_batch_tokens: int
    ) -> None:
        self.form = form
        self.device = device
        self.model_seconds = 0.0
        self._model = model
        self._max_batch_tokens = max_batch_tokens
        self._lock = threading.Lock()

    def score(self, ids: Ints, windows: Windows) -> Floats:
        """P(keep) of every sub-word, float32 [len(ids)]; windows cover all of them."""
        out = np.zeros(len(ids), np.float32)
        size = windows.last - windows.first
        length = size + self.form.specials
        padded = np.minimum(_padded(length), self.form.window + self.form.specials)
        group = padded * 2 + (padded == length)
        order = np.argsort(group, kind="stable")
        edges = np.flatnonzero(np.diff(group[order])) + 1
        for members in np.split(order, edges) if len(order) else []:
            width = int(padded[members[0]])
            step = max(1, self._max_batch_tokens // width)
            for at in range(0, len(members), step):
                some = members[at : at + step]
                self._score_batch(ids, windows.first[some], size[some], width, out)
        return out

    def _score_batch(self, ids: Ints, first: Ints, size: Ints, width: int, out: Floats) -> None:
        form, left = self.form, len(self.form.prefix)
        rows = len(first)
        column = np.arange(width)
        solid = (column >= left) & (column < (left + size)[:, None])
        place = first[:, None] + column - left
        block = np.full((rows, width), form.pad, np.int64)
        block[solid] = ids[place[solid]]
        block[:, :left] = form.prefix
        for offset, special in enumerate(form.suffix):
            block[np.arange(rows), left + size + offset] = special
        mask = column < (size + form.specials)[:, None]
        probability = self._forward(block, mask)
        out[place[solid]] = probability[solid]

    def _forward(self, block: Ints, mask: npt.NDArray[np.bool_]) -> Floats:
        started = time.perf_counter()
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.from_numpy(block).to(self.device),
                attention_mask=torch.from_numpy(mask.astype(np.int64)).to(self.device),
            ).logits.float()
            margin = logits[..., 0]
            if self.form.keep is not None:
                margin = logits[..., self.form.keep] - logits[..., 1 - self.form.keep]
            margins = margin.cpu().numpy().astype(np.float64)
        with self._lock:
            self.model_seconds += time.perf_counter() - started
        # In float64: torch's float32 sigmoid rounds differently where a tensor's last lanes lie.
        return np.asarray(1 / (1 + np.exp(-margins)), np.float32)


def _padded(length: Ints) -> Ints:
    """Lengths rounded up: fine steps where windows are short, coarse where they are few."""
    step = np.select([length <= 128, length <= 256], [8, 16], 32)
    return np.asarray(-(-length // step) * step)
