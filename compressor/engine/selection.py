"""Which words of a scored batch stay: within a budget for each text, or above one threshold.

Input: a batch, P(keep) of its units, the options of the call; output: a keep mask, bool [u], and
the tokens of what is kept, counted in the rendered text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.budget import fit, rank
from compressor.engine.document import Batch
from compressor.engine.flat import FlatTexts
from compressor.engine.options import Selection
from compressor.engine.render import Gaps, collapse, render
from compressor.engine.word_scores import priorities

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Count = Callable[[FlatTexts], Ints]


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of n texts.

    keep: bool [u]; whole: bool [n], texts that stay as they are; tokens: int64 [n], of what is
    kept; target: int64 [n], None where a threshold decided.
    """

    keep: Flags
    whole: Flags
    tokens: Ints
    target: Ints | None


def choose(
    batch: Batch, gaps: Gaps, probability: Floats, rates: npt.NDArray[np.float64],
    options: Selection, count: Count,
) -> Kept:  # fmt: skip
    """Select units of each text; `rates`: float64 [n], those of this batch."""
    if options.threshold is not None:
        whole = rates >= 1
        keep, tokens = at_threshold(batch, gaps, probability, options.threshold, options, count)
        target = None
    else:
        if options.target_tokens is None:
            target = np.maximum(1, np.round(rates * batch.tokens).astype(np.int64))
        else:
            target = np.full(len(batch), options.target_tokens, np.int64)
        whole = target >= batch.tokens
        keep, tokens = _within_budget(batch, gaps, probability, target, ~whole, options, count)
    keep = keep | whole[batch.row]
    return Kept(keep, whole, np.where(whole, batch.tokens, tokens), target)


def _within_budget(
    batch: Batch,
    gaps: Gaps,
    probability: Floats,
    target: Ints,
    wanted: Flags,
    options: Selection,
    count: Count,
) -> tuple[Flags, Ints]:
    """For the records that don't stay whole."""
    rows = np.flatnonzero(wanted)
    counts = np.zeros(len(batch), np.int64)
    if not len(rows):
        return np.zeros(len(batch.row), bool), counts
    some = rank(batch, priorities(batch, probability)).only(rows)

    def mask_of(part: Flags) -> Flags:
        mask = np.zeros(len(batch.row), bool)
        mask[some.unit] = part
        return collapse(batch, mask) if options.drop_consecutive else mask

    def counted(part: Flags, which: Ints) -> Ints:
        return count(render(batch, gaps, mask_of(part), rows[which]))

    part, counts[rows] = fit(some, target[rows], counted)
    return mask_of(part), counts


def at_threshold(
    batch: Batch,
    gaps: Gaps,
    probability: Floats,
    threshold: float,
    options: Selection,
    count: Count,
) -> tuple[Flags, Ints]:
    """Units of at least this priority, and forced ones."""
    keep = batch.forced | (priorities(batch, probability) >= threshold)
    if options.drop_consecutive:
        keep = collapse(batch, keep)
    return keep, count(render(batch, gaps, keep, np.arange(len(batch))))


def threshold_for(parts: Sequence[tuple[Batch, Floats]], budget: int) -> float:
    """The lowest priority that still fits when units of all texts are taken by falling priority."""
    priority = np.concatenate([priorities(batch, probability) for batch, probability in parts])
    cost = np.concatenate([batch.cost for batch, _ in parts])
    forced = np.concatenate([batch.forced for batch, _ in parts])
    left = budget - int(cost[forced].sum())
    order = np.argsort(-priority[~forced], kind="stable")
    running = np.cumsum(cost[~forced][order])
    fits = int(np.searchsorted(running, left, "right"))
    if fits == 0:
        return float(np.nextafter(np.float32(1), np.float32(2)))
    return float(priority[~forced][order[fits - 1]])
