"""From P(keep) per sub-word to P(keep) per word, and to the order in which words are kept."""

import numpy as np
import numpy.typing as npt

from compressor.engine.document import Batch, counts_below

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def touching(batch: Batch) -> tuple[Ints, Ints]:
    """The sub-words that touch each unit: from which to which, int64 [u] each."""
    start, end = batch.subwords.start, batch.subwords.end
    if len(start):  # a normaliser may swap two pieces of one character
        start, end = np.maximum.accumulate(start), np.maximum.accumulate(end)
    n = len(batch.code)
    low = counts_below(end, n)[batch.units.start + 1]
    return low, np.maximum(counts_below(start, n)[batch.units.end], low)


def word_means(batch: Batch, probability: Floats) -> Floats:
    """Mean P(keep) of the sub-words that touch each unit, float32 [u]; 0 where there are none."""
    low, high = touching(batch)
    edges = np.stack([low, high], 1).ravel()
    # reduceat sums each word apart: a running total would let rounding leak between texts.
    sums = (
        np.add.reduceat(np.append(probability, np.float32(0)), edges)[::2] if len(edges) else edges
    )
    size = high - low
    return np.where(size > 0, sums / np.maximum(size, 1), 0).astype(np.float32)


def priorities(batch: Batch, probability: Floats) -> Floats:
    """P(keep) per unit, punctuation no higher than its word, float32 [u].

    The pieces of one long word share their mean, so that they are kept from its front on rather
    than scattered.
    """
    pieces = np.bincount(batch.whole, minlength=len(probability))
    total = np.bincount(batch.whole, probability, len(probability))
    shared = (total[batch.whole] / pieces[batch.whole]).astype(np.float32)
    priority = np.where(pieces[batch.whole] > 1, shared, probability)
    return np.minimum(priority, priority[batch.units.owner])
