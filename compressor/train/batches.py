"""Which windows go into which training step: a pure function of the seed and the epoch.

A window is one passage, or several joined into one, so that late positions are trained too. Windows
of like length share a batch, so little is padding; batches come in random order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from compressor.train.examples import Example

Window = tuple[int, ...]  # the examples that are joined, by index


def plan_epoch(
    lengths: Sequence[int],
    *,
    seed: int,
    epoch: int,
    batch_tokens: int,
    window_tokens: int,
    long_share: float = 0.0,
    special_tokens: int = 2,
) -> list[list[Window]]:
    """Batches of windows; every example comes once, none may be longer than `window_tokens`.

    `lengths`: sub-words of each example. `long_share` of the examples, drawn anew each epoch, are
    joined into windows as long as `window_tokens` allows. A batch of n windows, the longest of L
    sub-words, has n * (L + special_tokens) <= `batch_tokens`.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(lengths))
    joined = round(long_share * len(lengths))
    windows = _join(order[:joined], lengths, window_tokens)
    windows += [(int(i),) for i in order[joined:]]
    size = {window: sum(lengths[i] for i in window) + special_tokens for window in windows}
    # The jitter mixes the neighbours in length anew each epoch.
    jitter = generator.uniform(0.95, 1.05, len(windows))
    ranked = sorted(range(len(windows)), key=lambda w: size[windows[w]] * jitter[w])
    batches: list[list[Window]] = []
    batch: list[Window] = []
    longest = 0
    for w in ranked:
        longest = max(longest, size[windows[w]])
        if batch and longest * (len(batch) + 1) > batch_tokens:
            batches.append(batch)
            batch, longest = [], size[windows[w]]
        batch.append(windows[w])
    if batch:
        batches.append(batch)
    return [batches[i] for i in generator.permutation(len(batches))]


def _join(order: Iterable[int], lengths: Sequence[int], window_tokens: int) -> list[Window]:
    """Fill windows one after the other with the examples in `order`."""
    windows: list[Window] = []
    current: list[int] = []
    used = 0
    for i in map(int, order):
        if current and used + lengths[i] > window_tokens:
            windows.append(tuple(current))
            current, used = [], 0
        current.append(i)
        used += lengths[i]
    if current:
        windows.append(tuple(current))
    return windows


@dataclass(frozen=True)
class Batch:
    """Tensors [windows, longest]. `weights` is 0 at padding and special sub-words."""

    ids: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    grades: torch.Tensor
    weights: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, part).to(device, non_blocking=True) for part in _PARTS))


_PARTS = ("ids", "mask", "targets", "grades", "weights")


def collate(
    windows: Sequence[Window], examples: Sequence[Example], *, first: int, last: int, padding: int
) -> Batch:
    """Join, frame with the special ids `first` and `last`, pad with `padding`."""
    sizes = [sum(len(examples[i]) for i in window) + 2 for window in windows]
    shape = (len(windows), max(sizes))
    ids = np.full(shape, padding, np.int64)
    floats = np.zeros((3, *shape), np.float32)
    for row, (window, size) in enumerate(zip(windows, sizes, strict=True)):
        ids[row, 0], ids[row, size - 1] = first, last
        at = 1
        for example in (examples[i] for i in window):
            part = slice(at, at + len(example))
            ids[row, part] = example.ids
            floats[:, row, part] = example.targets, example.grades, example.weights
            at += len(example)
    mask = np.arange(shape[1]) < np.array(sizes)[:, None]
    targets, grades, weights = (torch.from_numpy(part) for part in floats)
    return Batch(
        torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64)), targets, grades, weights
    )
