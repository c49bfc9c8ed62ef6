"""Counts of whole numbers on a fixed grid: exact below 64, then in steps of a 32nd.

Such counts add up in any order and are the same whenever the values are. Sketches that draw lots
(KLL, reservoirs) or depend on the order (t-digest) would give the retry of a shard another footer.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

MOST = 2**31
STEP = 32  # a bin's width over its lower edge is at most 1 / STEP: its middle is off by 1.6 %


def _grid() -> npt.NDArray[np.int64]:
    edges = [0]
    while edges[-1] < MOST:
        edges.append(edges[-1] + max(1, edges[-1] // STEP))
    return np.array(edges, np.int64)


GRID = _grid()


def histogram(values: npt.ArrayLike) -> dict[int, int]:
    """How many values, 0 <= value < 2^31, lie in each bin; a bin goes by its lower edge."""
    at = np.searchsorted(GRID, np.asarray(values, np.int64), side="right") - 1
    bins, counts = np.unique(at, return_counts=True)
    return dict(zip(GRID[bins].tolist(), counts.tolist(), strict=True))


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The middle of the bin that holds the quantile `share` of the values; None of no values."""
    edge = value_at(counts, share)
    return None if edge is None else edge + (max(1, edge // STEP) - 1) / 2


def value_at(counts: Mapping[int, int], share: float) -> int | None:
    """The quantile `share` of values that are counted one by one; None of no values."""
    wanted, seen = share * sum(counts.values()), 0
    for value, count in sorted(counts.items()):
        seen += count
        if seen >= wanted:
            return value
    return None
