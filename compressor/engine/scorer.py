"""A model replica: windows of sub-word ids in, P(keep) per sub-word out.

The forward pass says which windows go together; what a text gets doesn't depend on its neighbours.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward.padded import PaddedForward
from compressor.engine.forward.sequences import Sequences, surround
from compressor.engine.forward.unpadded import UnpaddedForward, supports
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


class Forward(Protocol):
    """How a model is run: lengths -> batches of sequences, a batch -> margins."""

    def batches(self, lengths: Ints, max_tokens: int) -> Iterator[Ints]:
        """Indices of the sequences of each batch; each sequence is in one."""

    def margins(self, sequences: Sequences) -> Floats:
        """logit(keep) - logit(drop) of each token of a batch, float32 [t]. Thread-safe."""


class Scorer:
    """Scores windows on one device. Thread-safe; `model_seconds` adds up over calls.

    model: a token classifier of transformers.
    """

    def __init__(
        self, model: Any, form: ModelInput, device: torch.device, *, max_batch_tokens: int
    ) -> None:
        self.form = form
        self.device = device
        self.model_seconds = 0.0
        self._forward = choose_forward(model, form, device)
        self._max_batch_tokens = max_batch_tokens
        self._lock = threading.Lock()

    def score(self, ids: Ints, windows: Windows) -> Floats:
        """P(keep) of every sub-word, float32 [len(ids)]; windows cover all of them."""
        form = self.form
        out = np.zeros(len(ids), np.float32)
        size = windows.last - windows.first
        for some in self._forward.batches(size + form.specials, self._max_batch_tokens):
            sequences, solid, source = surround(
                ids, windows.first[some], size[some], form.prefix, form.suffix
            )
            out[source] = self._probabilities(sequences)[solid]
        return out

    def _probabilities(self, sequences: Sequences) -> Floats:
        started = time.perf_counter()
        margins = self._forward.margins(sequences).astype(np.float64)
        with self._lock:
            self.model_seconds += time.perf_counter() - started
        # In float64: torch's float32 sigmoid rounds differently where a tensor's last lanes lie.
        return np.asarray(1 / (1 + np.exp(-margins)), np.float32)


def choose_forward(model: Any, form: ModelInput, device: torch.device) -> Forward:
    """Our own forward pass where it knows the architecture, else that of transformers."""
    if supports(model, device):
        return UnpaddedForward(model, keep=form.keep)
    longest = form.window + form.specials
    return PaddedForward(model, device, pad=form.pad, longest=longest, keep=form.keep)
