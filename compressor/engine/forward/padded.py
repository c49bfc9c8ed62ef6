"""transformers' own forward pass, in padded batches: any architecture, any device.

The padded length of a sequence depends on that sequence alone, and full ones never share a batch
with padded ones (attention takes another path without a mask), so what a text gets doesn't depend
on its neighbours.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward.pending import Pending, at_once, queued, sent
from compressor.engine.forward.sequences import Sequences

Ints = npt.NDArray[np.int64]


class PaddedForward:
    """keep: the index of the label "keep" among the logits, or None for a single logit."""

    fixed_size = False
    ahead = 2

    def __init__(
        self, model: Any, device: torch.device, *, pad: int, longest: int, keep: int | None
    ) -> None:
        self._model = model
        self._device = device
        self._pad = pad
        self._longest = longest
        self._keep = keep

    def batches(self, lengths: Ints, max_tokens: int) -> Iterator[Ints]:
        """Indices of sequences of one padded length, at most `max_tokens` or one sequence each."""
        padded = self._padded(lengths)
        group = padded * 2 + (padded == lengths)
        order = np.argsort(group, kind="stable")
        edges = np.flatnonzero(np.diff(group[order])) + 1
        for members in np.split(order, edges) if len(order) else []:
            step = max(1, max_tokens // int(padded[members[0]]))
            for at in range(0, len(members), step):
                yield members[at : at + step]

    def start(self, sequences: Sequences, max_tokens: int) -> Pending:  # noqa: ARG002
        """Begin a batch of one padded length; raises `torch.OutOfMemoryError`."""
        lengths = sequences.lengths
        mask = np.arange(int(self._padded(lengths).max())) < lengths[:, None]
        block = np.full(mask.shape, self._pad, np.int64)
        block[mask] = sequences.ids

        def work() -> torch.Tensor:
            with torch.inference_mode():
                solid = sent(mask, self._device)
                logits = self._model(
                    input_ids=sent(block, self._device), attention_mask=solid.long()
                ).logits.float()
                margin = logits[..., 0]
                if self._keep is not None:
                    margin = logits[..., self._keep] - logits[..., 1 - self._keep]
                places = sent(np.flatnonzero(mask), self._device)
                flat: torch.Tensor = margin.reshape(-1)[places]
                return flat

        if self._device.type == "cuda":
            return queued(self._device, work)
        return at_once(lambda: np.asarray(work().cpu().numpy(), np.float32))

    def _padded(self, lengths: Ints) -> Ints:
        """Lengths rounded up: fine steps where windows are short, coarse where they are few."""
        step = np.select([lengths <= 128, lengths <= 256], [8, 16], 32)
        return np.asarray(np.minimum(-(-lengths // step) * step, self._longest))
