"""A model replica: windows of sub-word ids in, P(keep) per sub-word out.

The forward pass says which windows go together; what a text gets doesn't depend on its neighbours.
"""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward import unpadded, varlen
from compressor.engine.forward.padded import PaddedForward
from compressor.engine.forward.pending import Pending
from compressor.engine.forward.sequences import Sequences, surround
from compressor.engine.windows import Windows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Auto = Literal["auto"]

_AHEAD = 2
"""Batches that a device has before the margins of an earlier one are waited for."""
_ON_A_CPU = 8192
_ON_A_GPU = 32768
"""Sub-words in a batch where nothing else is said; a GPU is as quick as it gets by then."""


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

    def start(self, sequences: Sequences, max_tokens: int) -> Pending:
        """Begin a batch that was made for `max_tokens`. Thread-safe.

        Raises `torch.OutOfMemoryError` where the device has no room for it.
        """


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
        self._forward = choose_forward(model, form, device)
        if max_batch_tokens == "auto":
            max_batch_tokens = batch_tokens(model, device)
        self.max_batch_tokens = max_batch_tokens
        self._lock = threading.Lock()

    def score(self, ids: Ints, windows: Windows) -> tuple[Floats, float]:
        """P(keep) of every sub-word, float32 [len(ids)], and the seconds the device took.

        windows cover all sub-words.
        """
        out, seconds = np.zeros(len(ids), np.float32), 0.0
        size = windows.last - windows.first
        under_way: deque[tuple[Flags, Ints, Pending]] = deque()

        def finish() -> float:
            solid, source, pending = under_way.popleft()
            margins = pending()
            out[source] = _probabilities(margins.values)[solid]
            return margins.seconds

        for solid, source, pending in self._started(ids, windows.first, size):
            under_way.append((solid, source, pending))
            if len(under_way) > _AHEAD:
                seconds += finish()
        while under_way:
            seconds += finish()
        with self._lock:
            self.model_seconds += seconds
        return out, seconds

    def _started(self, ids: Ints, first: Ints, size: Ints) -> Iterator[tuple[Flags, Ints, Pending]]:
        """Batches under way: which tokens are sub-words, which of `ids` these are, the margins."""
        form = self.form
        waiting = np.ones(len(size), bool)
        while waiting.any():
            left, limit = np.flatnonzero(waiting), self.max_batch_tokens
            try:
                for batch in self._forward.batches(size[left] + form.specials, limit):
                    some = left[batch]
                    sequences, solid, source = surround(
                        ids, first[some], size[some], form.prefix, form.suffix
                    )
                    pending = self._forward.start(sequences, limit)
                    waiting[some] = False
                    yield solid, source, pending
            except torch.OutOfMemoryError:
                if limit // 2 < form.window + form.specials:
                    raise
                torch.cuda.empty_cache()
                with self._lock:  # remembered, so that the next batches don't fail first
                    self.max_batch_tokens = min(self.max_batch_tokens, limit // 2)


def choose_forward(model: Any, form: ModelInput, device: torch.device) -> Forward:
    """Our own forward pass where it knows the architecture, else that of transformers."""
    if varlen.supports(model, device):
        return varlen.VarlenForward(model, device, keep=form.keep)
    if unpadded.supports(model, device):
        return unpadded.UnpaddedForward(model, keep=form.keep)
    longest = form.window + form.specials
    return PaddedForward(model, device, pad=form.pad, longest=longest, keep=form.keep)


def batch_tokens(model: Any, device: torch.device) -> int:
    """Sub-words in one forward pass that keep the device busy and fit into half its free memory."""
    if device.type != "cuda":
        return _ON_A_CPU
    config = model.config
    # Queries, keys, values, context, the stream and its copy, and the widest layer twice.
    values = 8 * config.hidden_size + 2 * getattr(config, "intermediate_size", 0)
    free, _ = torch.cuda.mem_get_info(device)
    most = free // 2 // (values * model.dtype.itemsize)
    return int(min(_ON_A_GPU, max(512, 2 ** (int(most).bit_length() - 1))))


def _probabilities(margins: Floats) -> Floats:
    # In float64: torch's float32 sigmoid rounds differently where a tensor's last lanes lie.
    return np.asarray(1 / (1 + np.exp(-margins.astype(np.float64))), np.float32)
