"""Our own forward pass on a CPU, without padding, for architectures that `encoder.py` knows.

A batch is small, so that what one product writes the next still finds in the cache. Its number of
tokens is rounded up: oneDNN compiles a kernel for each number that it meets, and what a row gets
must not depend on how many rows there are.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.forward.attention import Run
from compressor.engine.forward.encoder import Encoder
from compressor.engine.forward.pending import Pending, at_once
from compressor.engine.forward.sequences import Sequences, filled, pad_before_positions
from compressor.engine.forward.workers import Workers

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_TOKENS_PER_THREAD = 1024
_ROWS = 32
ARCHITECTURES = {"bert", "roberta", "xlm-roberta", "camembert"}
"""By `model_type`; each is tested against transformers' own forward pass."""


class UnpaddedForward:
    """keep: the index of the label "keep" among the logits, or None for a single logit."""

    fixed_size = False

    def __init__(self, model: Any, *, keep: int | None) -> None:
        self._encoder = Encoder(model, keep)
        # Products in float32 are MKL's, which has one number of threads for the whole process.
        count = torch.get_num_threads() if model.dtype == torch.bfloat16 else 1
        self._workers = Workers(count) if count > 1 else None
        self.ahead = count
        self._threads = 1 if self._workers else torch.get_num_threads()
        self._pad = pad_before_positions(model.config)

    def batches(self, lengths: Ints, max_tokens: int) -> Iterator[Ints]:
        """Indices of sequences by rising length, at most `max_tokens` or one sequence each."""
        limit = min(max_tokens, _TOKENS_PER_THREAD * self._threads)
        order = np.argsort(lengths, kind="stable")
        for some in filled(lengths[order], limit):
            yield order[some]

    def start(self, sequences: Sequences, max_tokens: int) -> Pending:  # noqa: ARG002
        """The margins of one batch, by a thread that is free or by all together."""
        start = self._workers.start if self._workers else at_once
        return start(lambda: self._margins(sequences))

    def _margins(self, sequences: Sequences) -> Floats:
        count = len(sequences.ids)
        more = (0, -count % _ROWS)
        ids = torch.from_numpy(np.pad(sequences.ids, more))
        positions = torch.from_numpy(np.pad(sequences.positions(self._pad), more))
        return self._encoder(ids, positions, _runs(sequences))[:count].numpy()


def supports(model: Any, device: torch.device) -> bool:
    """Whether this forward pass does what the model's own does, on this device."""
    config = model.config
    return (
        device.type == "cpu"
        and model.dtype in {torch.float32, torch.bfloat16}
        and config.model_type in ARCHITECTURES
        and config.hidden_act == "gelu"
        and not config.is_decoder
    )


def _runs(sequences: Sequences) -> list[Run]:
    """Neighbours of the same length, which attention takes in one call."""
    lengths, starts = sequences.lengths, sequences.starts
    edges = np.flatnonzero(np.diff(lengths, prepend=-1, append=-1))
    return [(int(starts[a]), int(b - a), int(lengths[a])) for a, b in pairwise(edges)]
