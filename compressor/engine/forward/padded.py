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

from compressor.engine.forward.sequences import Sequences

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class PaddedForward:
    """keep: the index of the label "keep" among the logits, or None for a single logit."""

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

    def margins(self, sequences: Sequences) -> Floats:
        """logit(keep) - logit(drop) of each token of one batch, float32 [t]."""
        lengths = sequences.lengths
        mask = np.arange(int(self._padded(lengths).max())) < lengths[:, None]
        block = np.full(mask.shape, self._pad, np.int64)
        block[mask] = sequences.ids
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.from_numpy(block).to(self._device),
                attention_mask=torch.from_numpy(mask.astype(np.int64)).to(self._device),
            ).logits.float()
            margin = logits[..., 0]
            if self._keep is not None:
                margin = logits[..., self._keep] - logits[..., 1 - self._keep]
            return np.asarray(margin.cpu().numpy()[mask], np.float32)

    def _padded(self, lengths: Ints) -> Ints:
        """Lengths rounded up: fine steps where windows are short, coarse where they are few."""
        step = np.select([lengths <= 128, lengths <= 256], [8, 16], 32)
        return np.asarray(np.minimum(-(-lengths // step) * step, self._longest))
