"""Priorities and a budget of tokens in, keep mask out.

Words are taken by falling P(keep) until the budget is full (LLMLingua-2, section 3.3, with the
budget counted in tokens rather than a percentile of words). What the kept text really costs is
counted again after rendering, because neighbours may merge; `fit` corrects until it holds.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from compressor.engine.document import Batch

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

_ROUNDS = 40
"""Corrections before a record is given up to the best selection found; bisection needs fewer."""
_TRIES = 16
"""Single units tried in the end for a record that still lies below its tolerance."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Units of n records, sorted by record, then in the order in which they are to be taken.

    unit: int64 [u], index in the batch; row: int64 [u], record (0 to n - 1); cost: int64 [u];
    forced: bool [u]; owner: int64 [u], position (here) of the word that must be kept as well.
    """

    unit: Ints
    row: Ints
    cost: Ints
    forced: Flags
    owner: Ints

    def only(self, rows: Ints) -> "Candidates":
        """The candidates of some records (sorted), which are numbered anew."""
        if not len(self.row) or (len(rows) > self.row[-1] and rows[-1] == len(rows) - 1):
            return self
        number = np.full(int(self.row[-1]) + 1, -1)
        number[rows[rows < len(number)]] = np.flatnonzero(rows < len(number))
        some = number[self.row] >= 0
        moved = np.cumsum(some) - 1
        picked = {field.name: getattr(self, field.name)[some] for field in fields(self)}
        picked["row"] = number[picked["row"]]
        picked["owner"] = moved[picked["owner"]]
        return Candidates(**picked)


def rank(batch: Batch, priority: Floats, behind: Flags | None = None) -> Candidates:
    """Forced units first, then by falling priority; a word before its punctuation.

    behind: bool [u], units that come after all others of their record, a word with its marks.
    """
    order = np.argsort(_keys(batch, priority, behind), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Candidates(
        unit=order,
        row=batch.row[order],
        cost=batch.cost[order],
        forced=batch.forced[order],
        owner=place[batch.units.owner[order]],
    )


def _keys(batch: Batch, priority: Floats, behind: Flags | None) -> npt.NDArray[np.uint64]:
    """Row, forced or not, behind or not, falling priority and punctuation as one number: one sort,

    not five.
    """
    bits = (np.float32(0) - priority).view(np.uint32)
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)
    rising[np.isnan(priority)] = 2**32 - 1  # last, whatever its sign
    key = batch.row.astype(np.uint64) << np.uint64(35)
    key |= (~batch.forced).astype(np.uint64) << np.uint64(34)
    if behind is not None:
        key |= behind.astype(np.uint64) << np.uint64(33)
    key |= rising << np.uint64(1)
    key |= batch.units.punctuation.astype(np.uint64)
    return key


def select(candidates: Candidates, budget: Ints) -> Flags:
    """The units that fit each record's budget, bool [u] in the order of the candidates.

    budget: int64 [n]. First the longest prefix that fits, then what still fits behind it.
    """
    keep = candidates.forced | (running(candidates.row, candidates.cost) <= budget[candidates.row])
    _fill(candidates, keep, budget)
    return keep


def _fill(candidates: Candidates, keep: Flags, budget: Ints) -> None:
    """Add, in order, what still fits; in place."""
    row, cost = candidates.row, candidates.cost
    punctuation = candidates.owner != np.arange(len(row))
    while True:
        spent = np.bincount(row[keep], cost[keep], len(budget)).astype(np.int64)
        slack = (budget - spent)[row]
        able = ~keep & (cost > 0) & (cost <= slack) & (~punctuation | keep[candidates.owner])
        able &= running(row, np.where(able, cost, 0)) <= slack
        if not able.any():
            return
        keep |= able


def fit(
    candidates: Candidates, target: Ints, count: Callable[[Flags, Ints], Ints]
) -> tuple[Flags, Ints]:
    """Select for targets that the counted text must not exceed.

    target: int64 [n]; count(keep, rows) -> the true tokens of those records' rendered text, `keep`
    being in the order of the candidates of all records. Returns the mask, bool [u], and the counts,
    int64 [n], which exceed the target only where forced units alone do.
    """
    best = np.zeros(len(candidates.row), bool)
    counts = np.full(len(target), -1)
    budget, low, high = target.copy(), np.full(len(target), -1), np.full(len(target), 2**62)
    rows = np.arange(len(target))
    for _ in range(_ROUNDS):
        some = candidates.only(rows)
        part = select(some, budget[rows])
        if _swap_up(some, part, budget[rows], target[rows]):
            _fill(some, part, budget[rows])
        keep = _scatter(candidates, rows, part, len(target))
        now = count(keep, rows)
        fits = now <= target[rows]
        spare = np.bincount(some.row[~part & (some.cost > 0)], minlength=len(rows)) > 0
        extra = np.bincount(some.row[part & ~some.forced], minlength=len(rows)) > 0

        better = (fits & (now > counts[rows])) | (~fits & ~extra & (counts[rows] < 0))
        taken = np.isin(candidates.row, rows[better])
        best[taken] = keep[taken]
        counts[rows[better]] = now[better]
        low[rows] = np.where(fits, np.maximum(low[rows], budget[rows]), low[rows])
        high[rows] = np.where(fits, high[rows], np.minimum(high[rows], budget[rows]))

        near = target[rows] - now <= np.maximum(1, target[rows] // 100)
        done = np.where(fits, near | ~spare, ~extra) | (high[rows] - low[rows] <= 1)
        step = budget[rows] + target[rows] - now
        # Where merging tokens defeat the estimate, bisection must still end the search.
        stuck = (step <= low[rows]) | (step >= high[rows])
        half = (np.maximum(low[rows], -1) + np.minimum(high[rows], 2 * budget[rows] + 2)) // 2
        budget[rows] = np.where(stuck, half, step)
        rows = rows[~done]
        if not len(rows):
            break
    unmet = np.flatnonzero(counts < 0)
    if len(unmet):
        best |= candidates.forced & (counts < 0)[candidates.row]
        counts[unmet] = count(best, unmet)
    _top_up(candidates, best, counts, target, count)
    return best, counts


def _top_up(
    candidates: Candidates,
    best: Flags,
    counts: Ints,
    target: Ints,
    count: Callable[[Flags, Ints], Ints],
) -> None:
    """Where merging tokens left a gap, try further units one by one; `best`, `counts` in place."""
    row, cost = candidates.row, candidates.cost
    punctuation = candidates.owner != np.arange(len(row))
    tried = best.copy()
    for _ in range(_TRIES):
        slack = target - counts
        able = ~tried & (cost > 0) & (slack > tolerance(target))[row] & (cost <= slack[row] + 1)
        able &= ~punctuation | best[candidates.owner]
        unit = np.flatnonzero(able)
        rows, first = np.unique(row[unit], return_index=True)
        if not len(rows):
            return
        chosen = unit[first]
        tried[chosen] = True
        best[chosen] = True
        now = count(best, rows)
        fits = (now <= target[rows]) & (now > counts[rows])
        best[chosen[~fits]] = False
        counts[rows[fits]] = now[fits]


def running(row: Ints, cost: Ints) -> Ints:
    """Cumulative cost within each record, int64 [k]; `row` is sorted."""
    total = np.cumsum(cost)
    first = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, bool)
    before = np.where(first, total - cost, 0)
    return np.asarray(total - np.maximum.accumulate(before)) if len(row) else total


def _scatter(candidates: Candidates, rows: Ints, part: Flags, n: int) -> Flags:
    keep = np.zeros(len(candidates.row), bool)
    chosen = np.zeros(n, bool)
    chosen[rows] = True
    keep[chosen[candidates.row]] = part
    return keep


def tolerance(target: Ints) -> Ints:
    """How far below its target a record may stay that has more to give."""
    return np.maximum(2, target // 50)


def _swap_up(candidates: Candidates, keep: Flags, budget: Ints, target: Ints) -> bool:
    """Where long words leave a gap that no other word fits, exchange one for a longer one.

    True where anything was exchanged.

    Rare, hence per record: it takes a text whose words are nearly all of several sub-words.
    """
    row, cost = candidates.row, candidates.cost
    spent = np.bincount(row[keep], cost[keep], len(budget)).astype(np.int64)
    swapped = False
    unused = np.bincount(row[~keep & (cost > 0)], minlength=len(budget)) > 0
    carries = np.zeros(len(row), bool)
    here = np.arange(len(row))
    carries[candidates.owner[keep & (candidates.owner != here)]] = True
    for record in np.flatnonzero(unused & (budget - spent > tolerance(target))).tolist():
        mine = here[np.searchsorted(row, record) : np.searchsorted(row, record, "right")]
        word = candidates.owner[mine] == mine
        given = mine[keep[mine] & ~candidates.forced[mine] & ~carries[mine] & word]
        wanted = mine[~keep[mine] & word]
        slack = int(budget[record] - spent[record])
        for more in range(slack, 0, -1):
            pair = _pair(cost, given, wanted, more)
            if pair is not None:
                keep[pair[0]], keep[pair[1]] = False, True
                swapped = True
                break
    return swapped


def _pair(cost: Ints, given: Ints, wanted: Ints, more: int) -> tuple[int, int] | None:
    """The least likely kept word and the likeliest other one that costs `more` more."""
    for out in given[::-1].tolist():
        fitting = wanted[cost[wanted] == cost[out] + more]
        if len(fitting):
            return out, int(fitting[0])
    return None
