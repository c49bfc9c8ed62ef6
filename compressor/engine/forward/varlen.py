"""Our forward pass on a GPU: sequences of any length end to end, flash attention inside each.

Every batch has the same number of tokens, the last ones of them idle where its sequences don't
fill it: cuBLAS picks its kernels by shape, and what a text gets must not depend on its neighbours.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward.fused import FusedEncoder
from compressor.engine.forward.pending import Pending, queued, sent
from compressor.engine.forward.sequences import Sequences, filled, pad_before_positions
from compressor.engine.forward.unpadded import ARCHITECTURES

Ints = npt.NDArray[np.int64]

_LEAST_CAPABILITY = (8, 0)
"""Of a GPU that PyTorch's flash attention runs on."""


class VarlenForward:
    """keep: the index of the label "keep" among the logits, or None for a single logit."""

    fixed_size = True
    ahead = 2

    def __init__(self, model: Any, device: torch.device, *, keep: int | None) -> None:
        self._encoder = FusedEncoder(model, keep)
        self._device = device
        self._pad = pad_before_positions(model.config)

    def batches(self, lengths: Ints, max_tokens: int) -> Iterator[Ints]:
        """Indices of sequences in their order, at most `max_tokens` or one sequence each."""
        places = np.arange(len(lengths))
        for some in filled(lengths, max_tokens):
            yield places[some]

    def start(self, sequences: Sequences, max_tokens: int) -> Pending:
        """Queue a batch of at most `max_tokens`; raises `torch.OutOfMemoryError`."""
        from torch.nn.attention.varlen import varlen_attn

        count = len(sequences.ids)
        idle = (0, max(0, max_tokens - count))
        positions = sequences.positions(self._pad)
        ends = np.concatenate([[0], np.cumsum(sequences.lengths)]).astype(np.int32)
        longest = int(sequences.lengths.max())

        def work() -> torch.Tensor:
            ids = sent(np.pad(sequences.ids, idle), self._device)
            places = sent(np.pad(positions, idle), self._device)
            edges = sent(ends, self._device)

            def attend(inputs: torch.Tensor) -> torch.Tensor:
                query, key, value = inputs.unbind(1)
                context = varlen_attn(query, key, value, edges, edges, longest, longest)
                assert isinstance(context, torch.Tensor)
                return context

            return self._encoder(ids, places, attend)[:count]

        return queued(self._device, work)


def supports(model: Any, device: torch.device) -> bool:
    """Whether this forward pass does what the model's own does, on this device."""
    config = model.config
    return (
        device.type == "cuda"
        and has_varlen()
        and torch.cuda.get_device_capability(device) >= _LEAST_CAPABILITY
        and model.dtype in {torch.bfloat16, torch.float16}
        and config.model_type in ARCHITECTURES
        and config.hidden_act in {"gelu", "gelu_new", "gelu_pytorch_tanh"}
        and not config.is_decoder
        and (config.hidden_size // config.num_attention_heads) % 8 == 0
    )


def has_varlen() -> bool:
    """Whether this torch has attention over sequences of many lengths (2.10 and later)."""
    try:
        import torch.nn.attention.varlen  # noqa: F401
    except ImportError:
        return False
    return True
