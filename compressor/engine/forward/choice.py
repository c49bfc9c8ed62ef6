"""Which forward pass a model gets on a device, and how much at a time."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward import unpadded, varlen
from compressor.engine.forward.padded import PaddedForward
from compressor.engine.forward.pending import Pending
from compressor.engine.forward.sequences import Sequences

Ints = npt.NDArray[np.int64]

_ON_A_CPU = 8192
_ON_A_GPU = 32768
"""Sub-words in a batch where nothing else is said. On an H100, XLM-R-large does 727,000, 738,000,
747,000 and 757,000 tokens a second with 8, 16, 32 and 64 thousand."""


class Forward(Protocol):
    """How a model is run: lengths -> batches of sequences, a batch -> margins."""

    fixed_size: bool
    """Whether a batch costs the same however little it holds, so that all should be full."""
    ahead: int
    """Batches that are under way before the margins of an earlier one are waited for."""

    def batches(self, lengths: Ints, max_tokens: int) -> Iterator[Ints]:
        """Indices of the sequences of each batch; each sequence is in one."""

    def start(self, sequences: Sequences, max_tokens: int) -> Pending:
        """Begin a batch that was made for `max_tokens`. Thread-safe.

        Raises `torch.OutOfMemoryError` where the device has no room for it.
        """


def choose_forward(
    model: Any, device: torch.device, *, pad: int, longest: int, keep: int | None
) -> Forward:
    """Our own forward pass where it knows the architecture, else that of transformers.

    pad: the padding id; longest: tokens of a sequence at most; keep: the index of the label "keep"
    among the logits, or None for a single logit.
    """
    if varlen.supports(model, device):
        return varlen.VarlenForward(model, device, keep=keep)
    if unpadded.supports(model, device):
        return unpadded.UnpaddedForward(model, keep=keep)
    return PaddedForward(model, device, pad=pad, longest=longest, keep=keep)


def batch_tokens(model: Any, device: torch.device) -> int:
    """Sub-words in one forward pass that keep the device busy and fit into half its free memory."""
    if device.type != "cuda":
        return _ON_A_CPU
    config = model.config
    # Queries, keys, values, context, the stream and its copy, and the widest layer twice.
    values = 8 * config.hidden_size + 2 * getattr(config, "intermediate_size", 0)
    free, _ = torch.cuda.mem_get_info(device)
    most = int(free) // 2 // (values * model.dtype.itemsize)
    return int(min(_ON_A_GPU, max(512, 2 ** (most.bit_length() - 1))))
