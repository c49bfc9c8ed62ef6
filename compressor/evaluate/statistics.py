"""How sure a figure is, and whether two contenders differ: bootstrap and paired permutation test.

Every figure is a quotient of two sums over items: of values and ones for a mean, of kept and total
for a share. Items that belong together (one meeting) are summed first and drawn together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CONFIDENCE = 0.95
_CHUNK = 4_000_000
"""Random numbers drawn at once; bounds memory."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Numerators and denominators by unit of resampling (item or group) and contender.

    top: float64 [units, contenders]; bottom: float64 [units], the same for all contenders.
    """

    top: Floats
    bottom: Floats

    @property
    def values(self) -> Floats:
        """The figure of each contender, float64 [contenders]; NaN where there is nothing."""
        return _quotient(self.top.sum(0), self.bottom.sum())


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def mean_sums(scores: Sequence[Floats], groups: Ints | None = None) -> Sums:
    """Sums of a mean: of scores[c][item], one array a contender; items with NaN don't count.

    Raises `ValueError` where an item is NaN for some contenders only.
    """
    table = np.stack(scores, 1)
    missing = np.isnan(table)
    if (missing.any(1) != missing.all(1)).any():
        raise ValueError("an item has scores of some contenders only; they can't be compared")
    return _grouped(np.where(missing, 0, table), (~missing[:, 0]).astype(np.float64), groups)


def ratio_sums(
    tops: Sequence[Floats], bottoms: Sequence[Floats], groups: Ints | None = None
) -> Sums:
    """Sums of a quotient: tops[c][item] over bottoms[c][item], one array each a contender.

    An item with NaN in either doesn't count. Raises `ValueError` where the contenders' denominators
    differ.
    """
    top, bottom = np.stack(tops, 1), np.stack(bottoms, 1)
    missing = np.isnan(top) | np.isnan(bottom)
    if (missing.any(1) != missing.all(1)).any():
        raise ValueError("an item has scores of some contenders only; they can't be compared")
    top, bottom = np.where(missing, 0, top), np.where(missing, 0, bottom)
    if not np.allclose(bottom, bottom[:, :1]):
        raise ValueError("the contenders' denominators differ; they can't be compared")
    return _grouped(top, bottom[:, 0], groups)


def bootstrap(sums: Sums, *, resamples: int, seed: int) -> Floats:
    """The figures of resampled units, float64 [resamples, contenders].

    All contenders share the draws, so that differences of columns are paired.
    """
    units = len(sums.bottom)
    generator = np.random.default_rng(seed)
    columns = np.column_stack([sums.top, sums.bottom])
    parts = []
    for size in _chunks(resamples, units):
        drawn = generator.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        total = times.astype(np.float64) @ columns
        parts.append(_quotient(total[:, :-1], total[:, -1:]))
    return np.concatenate(parts)


def interval(samples: Floats, confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval of so many of the resampled figures, float64 [resamples]."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return Interval(float("nan"), float("nan"))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return Interval(float(low), float(high))


def paired_p_values(sums: Sums, reference: int, *, resamples: int, seed: int) -> Floats:
    """Two-sided p of each contender against column `reference`, float64 [contenders].

    Permutation of signs: if the two were alike, each unit's difference might as well have the other
    sign. All 2^units assignments where they are no more than `resamples`, else that many drawn
    ones, the observed one counted among them. 1 for the reference itself.
    """
    difference = sums.top - sums.top[:, [reference]]
    observed = np.abs(difference.sum(0))
    # Sums of the same numbers in another order differ in their last digits, yet tie.
    limit = observed - 1e-9 * np.abs(difference).sum(0)
    units = len(difference)
    exact = 2**units <= resamples if units < 60 else False
    reached = np.zeros(len(observed))
    for signs in _all_signs(units) if exact else _drawn_signs(units, resamples, seed):
        reached += (np.abs(signs @ difference) >= limit).sum(0)
    p: Floats = reached / 2**units if exact else (reached + 1) / (resamples + 1)
    return np.where(observed > 0, p, 1.0)


def holm(p: Floats) -> Floats:
    """p-values corrected for their number by Holm's step-down method, in the order given.

    NaN stays NaN and doesn't count.
    """
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def _grouped(top: Floats, bottom: Floats, groups: Ints | None) -> Sums:
    if groups is None:
        return Sums(top, bottom)
    _, unit = np.unique(groups, return_inverse=True)
    summed = np.zeros((unit.max(initial=-1) + 1, top.shape[1]))
    np.add.at(summed, unit, top)
    return Sums(summed, np.bincount(unit, bottom, len(summed)).astype(np.float64))


def _quotient(top: Floats, bottom: npt.ArrayLike) -> Floats:
    bottom = np.broadcast_to(np.asarray(bottom, np.float64), top.shape)
    quotient: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return quotient


def _chunks(resamples: int, units: int) -> Iterator[int]:
    size = max(1, _CHUNK // max(units, 1))
    while resamples > 0:
        yield min(size, resamples)
        resamples -= size


def _drawn_signs(units: int, resamples: int, seed: int) -> Iterator[Floats]:
    generator = np.random.default_rng(seed)
    for size in _chunks(resamples, units):
        yield np.where(generator.integers(2, size=(size, units)) > 0, 1.0, -1.0)


def _all_signs(units: int) -> Iterator[Floats]:
    numbers = np.arange(2**units)[:, None]
    yield np.where((numbers >> np.arange(units)) & 1, 1.0, -1.0)
