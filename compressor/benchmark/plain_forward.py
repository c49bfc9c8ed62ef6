"""The peer that somebody writes who knows how: transformers' own model in well-filled batches.

The engine's windows, sorted by length, padded to the longest of their batch, as many as fit a
budget of tokens; the precision of the engine; one wait for the GPU at the end. Optionally under
`torch.compile`. It gives P(keep) of each sub-word and builds no text, like the engine's `forward`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.benchmark.contender import Contender, Task
from compressor.benchmark.parts import prepared
from compressor.engine.scorer import ModelInput
from compressor.engine.subwords import FastTokenizer
from compressor.models.checkpoint import load_checkpoint

Ints = npt.NDArray[np.int64]
BATCH_TOKENS = {"cpu": 8192, "cuda": 32768}
MULTIPLE = 8
"""Lengths are padded to such multiples, which GPUs multiply faster."""


def load_plain_forward(
    checkpoint: str, *, device: str, dtype: str, batch_tokens: int | None, compiled: bool
) -> Contender:
    """The contender `transformers-forward` or, where `compiled`, `transformers-compile`."""
    loaded = load_checkpoint(Path(checkpoint), checkpoint, device=device, dtype=dtype)
    place, model = loaded.device, loaded.model
    budget = batch_tokens or BATCH_TOKENS[place.type]
    tokenizer = FastTokenizer(loaded.tokenizer)
    call: Callable[..., Any] = torch.compile(model, dynamic=True) if compiled else model

    def ready(texts: Sequence[str]) -> Task:
        windows = [
            chunk.batch.subwords.ids[first:last]
            for chunk in prepared(texts, tokenizer, loaded.form.window)
            for first, last in zip(chunk.windows.first, chunk.windows.last, strict=True)
        ]
        batches = list(padded(windows, loaded.form, budget))
        if place.type == "cuda":
            batches = [(ids.pin_memory(), mask.pin_memory()) for ids, mask in batches]

        def task() -> None:
            scores = []
            with torch.inference_mode():
                for ids, mask in batches:
                    logits = call(
                        input_ids=ids.to(place, non_blocking=True),
                        attention_mask=mask.to(place, non_blocking=True),
                    ).logits
                    scores.append(_keep(logits, loaded.form.keep))
                for score in scores:
                    score.cpu()

        return task

    name = "transformers-compile" if compiled else "transformers-forward"
    about = (
        f"transformers' model{' under torch.compile' if compiled else ''}, {loaded.dtype}, sorted "
        f"and padded batches of {budget} tokens; tokenised outside the clock, builds no text"
    )
    return Contender(name, about, ready)


def padded(
    windows: Sequence[Ints], form: ModelInput, budget: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and mask, int64 [n, length], of windows of about one length, longest first."""
    whole = [np.array([*form.prefix, *ids, *form.suffix], np.int64) for ids in windows]
    whole.sort(key=len, reverse=True)
    most = form.window + form.specials
    first = 0
    while first < len(whole):
        length = min(most, -(-len(whole[first]) // MULTIPLE) * MULTIPLE)
        some = whole[first : first + max(1, budget // length)]
        ids = np.full((len(some), length), form.pad, np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(some):
            ids[row, : len(window)], mask[row, : len(window)] = window, 1
        yield torch.from_numpy(ids), torch.from_numpy(mask)
        first += len(some)


def _keep(logits: torch.Tensor, keep: int | None) -> torch.Tensor:
    """P(keep), float32 [n, length]."""
    logits = logits.float()
    margin = logits[..., 0] if keep is None else logits[..., keep] - logits[..., 1 - keep]
    return torch.sigmoid(margin)
