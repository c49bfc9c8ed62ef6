"""Which words of a scored batch stay: within a budget for each text, or above one threshold.

Input: a batch, P(keep) of its units, the options of the call; output: a keep mask, bool [u], and
the tokens of what is kept, counted in the rendered text.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.budget import fit, rank
from compressor.engine.coarse import Sentences, share
from compressor.engine.compression import Threshold
from compressor.engine.document import Batch
from compressor.engine.flat import FlatTexts
from compressor.engine.options import Selection
from compressor.engine.passages import Starts
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
    options: Selection, count: Count, passages: Starts | None = None,
) -> Kept:  # fmt: skip
    """Select units of each text; `rates`: float64 [n], and `passages` are those of this batch."""
    sentences = sentences_of(batch, probability, options, passages)
    if options.threshold is not None:
        whole = rates >= 1
        keep = at_threshold(batch, probability, sentences, options.threshold, options)
        tokens = counted(batch, gaps, keep, count)
        target = None
    else:
        if options.target_tokens is None:
            target = np.maximum(1, np.round(rates * batch.tokens).astype(np.int64))
        else:
            target = np.full(len(batch), options.target_tokens, np.int64)
            rates = np.minimum(1, target / np.maximum(1, batch.tokens))
        whole = target >= batch.tokens
        behind = None
        if sentences is not None:
            total = np.bincount(batch.row, batch.cost, len(batch))
            wanted = np.maximum(share(rates, options.coarse_share) * total, target)
            behind = sentences.behind(wanted)
        keep, tokens = _within_budget(
            batch, gaps, probability, behind, target, ~whole, options, count
        )
    keep = keep | whole[batch.row]
    return Kept(keep, whole, np.where(whole, batch.tokens, tokens), target)


def sentences_of(
    batch: Batch, probability: Floats, options: Selection, passages: Starts | None
) -> Sentences | None:
    """The sentences of a batch where whole ones go first, else None."""
    return Sentences.of(batch, probability, passages) if options.coarse == "sentence" else None


def _within_budget(
    batch: Batch,
    gaps: Gaps,
    probability: Floats,
    behind: Flags | None,
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
    some = rank(batch, priorities(batch, probability), behind).only(rows)

    def mask_of(part: Flags) -> Flags:
        mask = np.zeros(len(batch.row), bool)
        mask[some.unit] = part
        return collapse(batch, mask) if options.drop_consecutive else mask

    def recount(part: Flags, which: Ints) -> Ints:
        return count(render(batch, gaps, mask_of(part), rows[which]))

    part, counts[rows] = fit(some, target[rows], recount)
    return mask_of(part), counts


def at_threshold(
    batch: Batch,
    probability: Floats,
    sentences: Sentences | None,
    threshold: Threshold,
    options: Selection,
) -> Flags:
    """Units of at least this priority in sentences of at least that mean, and forced ones."""
    word, sentence = threshold if isinstance(threshold, tuple) else (threshold, None)
    keep = priorities(batch, probability) >= word
    if sentences is not None and sentence is not None:
        keep &= ~sentences.below(sentence)
    keep |= batch.forced
    return collapse(batch, keep) if options.drop_consecutive else keep


def counted(batch: Batch, gaps: Gaps, keep: Flags, count: Count) -> Ints:
    """Tokens of what is kept of each text, int64 [n]."""
    return count(render(batch, gaps, keep, np.arange(len(batch))))
