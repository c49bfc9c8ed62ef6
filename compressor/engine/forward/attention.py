"""Attention inside each of many unpadded sequences, neighbours of one length in one call."""

import torch
from torch.nn import functional

Run = tuple[int, int, int]
"""First token, number of sequences, and their common length."""

_SHORT = 192
_LANES = 32
"""bfloat16 values in a register of AVX-512. torch's softmax takes twice the time for other widths:
at 115 sub-words, 12 heads of 32 values (Zen 4, one core), `_short` took 2.9 us a token, without
rounding up 3.7, torch's own attention 4.6. Beyond `_SHORT` the latter is quicker."""


def attend(inputs: torch.Tensor, heads: int, runs: list[Run]) -> torch.Tensor:
    """[t, 3 * hidden] -> [t, hidden], 0 beyond the last run.

    inputs: scaled queries, keys and values side by side.
    """
    context = inputs.new_zeros(len(inputs), inputs.shape[1] // 3)
    for first, count, length in runs:
        some = slice(first, first + count * length)
        block = inputs[some].view(count, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        if inputs.dtype == torch.bfloat16 and length <= _SHORT:
            part = _short(block)
        else:
            query, key, value = block
            part = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        context[some].view(count, length, heads, -1).copy_(part.transpose(1, 2))
    return context


def _short(block: torch.Tensor) -> torch.Tensor:
    """[3, n, heads, length, d] -> [n, heads, length, d], by way of the whole matrix of scores."""
    _, count, heads, length, size = block.shape
    width = -(-length // _LANES) * _LANES
    wide = block.new_zeros(3, count, heads, width, size)
    wide[..., :length, :] = block
    query, key, value = wide.view(3, count * heads, width, size)
    scores = torch.bmm(query, key.transpose(1, 2))
    scores[..., length:] = -torch.inf
    part = torch.bmm(torch.softmax(scores, -1), value)
    return part.view(count, heads, width, size)[..., :length, :]
