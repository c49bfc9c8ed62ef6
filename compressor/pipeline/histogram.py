"""Counts of whole numbers on a fixed grid: exact below 64, then in steps of a 32nd.

Such counts add up in any order and are the same whenever the values are. Sketches that draw lots
(KLL, reservoirs) or depend on the order (t-digest) would give the retry of a shard another footer.
In JSON they are *runs*: the first bin that isn't empty, and the counts from there to the last.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

MOST = 2**31
STEP = 32  # a bin's width over its lower edge is at most 1 / STEP: its middle is off by 1.6 %


def _grid() -> Counts:
    edges = [0]
    while edges[-1] < MOST:
        edges.append(edges[-1] + max(1, edges[-1] // STEP))
    return np.array(edges, np.int64)


GRID = _grid()  # the lower edges of the bins


def histogram(values: npt.ArrayLike) -> Counts:
    """How many values, 0 <= value < 2^31, lie in each bin of `GRID`; int64 [len(GRID)]."""
    at = np.searchsorted(GRID, np.asarray(values, np.int64), side="right") - 1
    return np.bincount(at, minlength=len(GRID)).astype(np.int64)


def quantile(counts: Counts, share: float) -> float | None:
    """The middle of the bin that holds the quantile 0 < `share` < 1; None of no values."""
    total = int(counts.sum())
    if not total:
        return None
    edge = int(GRID[np.searchsorted(np.cumsum(counts), share * total)])
    return edge + (max(1, edge // STEP) - 1) / 2


def value_at(counts: Mapping[int, int], share: float) -> int | None:
    """The quantile `share` of values that are counted one by one; None of no values."""
    wanted, seen = share * sum(counts.values()), 0
    for value, count in sorted(counts.items()):
        seen += count
        if seen >= wanted:
            return value
    return None


def run(counts: Counts) -> list[int]:
    """Counts as JSON has them; empty where there is nothing."""
    there = np.flatnonzero(counts)
    return [int(there[0]), *counts[there[0] : there[-1] + 1].tolist()] if len(there) else []


def add_run(counts: Counts, more: Sequence[int]) -> None:
    """Add what `run` gave."""
    if more:
        counts[more[0] : more[0] + len(more) - 1] += np.array(more[1:], np.int64)
