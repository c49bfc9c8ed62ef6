"""Deterministic inference: rank by probability, fill the budget, never exceed it.

Shots are taken by falling probability as long as they fit, of each the fixed words and those at or
above a threshold. What is left of the budget goes to the likeliest of the dropped words. Counts are
of the judge's tokenizer over the prompt as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.reader.prompts import SEPARATOR
from compressor.reinforce.actions import prompt_order, ranked
from compressor.reinforce.config import SHOTS, WORDS
from compressor.reinforce.observe import Candidates
from compressor.reinforce.policy import Logits
from compressor.reinforce.words import Words

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_TRIES = 16
"""Single words that are tried where the likeliest one left doesn't fit."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """text: what stands in front of the question; tokens: of it, at most the budget; shots: indices
    of the kept candidates, in the order of the prompt; whole_tokens: of these shots unpruned.
    """

    text: str
    tokens: int
    shots: Sequence[int]
    whole_tokens: int


def prune(
    candidates: Candidates,
    logits: Logits,
    *,
    budget: int,
    threshold: float = 0.5,
    stages: Sequence[str] = (SHOTS, WORDS),
) -> Pruned:
    """Fill `budget` tokens; empty text where not even one word fits.

    threshold: keep words of at least this probability. A stage that isn't in `stages` decides
    nothing: without "shots" the nearest come first, without "tokens" shots stay whole as long as
    one of them fits.
    """
    words = candidates.words
    if not len(words):
        return Pruned("", 0, (), 0)
    priority = logits.words.detach().double().cpu().numpy()
    keep = np.ones(len(words.row), bool)
    if WORDS in stages:
        keep = words.fixed | (priority >= np.log(threshold / (1 - threshold)))
    rank = ranked(logits, len(words), stages)
    texts = words.texts(keep, np.arange(len(words)))
    chosen = _take(words, texts, rank, budget)
    if not chosen.any():  # at least one shot is kept: what fits of the best one
        chosen[rank[0]] = True
        keep = np.zeros_like(keep)
        priority = priority + np.where(words.fixed, 2 * np.abs(priority).max() + 1, 0)
    elif WORDS not in stages:
        return _pruned(words, keep, chosen)
    else:
        _squeeze(words, keep, chosen, rank, budget)
    filled = _top_up(words, keep, chosen, priority, budget)
    return _pruned(words, filled, chosen)


def _take(words: Words, texts: Sequence[str], rank: Ints, budget: int) -> Flags:
    """The shots that fit, tried in the order of their rank; bool [k]."""
    costs = words.costs(texts)
    left = budget + int(words.counter.count([SEPARATOR])[0])  # none stands behind the last one
    taken: list[int] = []
    for at in rank.tolist():
        if costs[at] <= left and texts[at]:
            taken.append(at)
            left -= int(costs[at])
    while taken and _joined(words, texts, _flags(taken, len(words)))[1] > budget:
        taken.pop()  # counted together they may be more than one by one
    return _flags(taken, len(words))


def _squeeze(words: Words, keep: Flags, chosen: Flags, rank: Ints, budget: int) -> None:
    """Where the chosen shots can't fill the budget, even whole, add the next one that fits with its
    fixed words alone; what is left then goes to its other words, too. Changes keep and chosen.
    """
    left = budget - _pruned(words, keep, chosen).tokens
    if int(words.cost[chosen[words.row] & ~keep].sum()) >= left:
        return
    least = words.costs(words.texts(words.fixed, np.arange(len(words))))
    for at in rank.tolist():
        if chosen[at] or least[at] > left:
            continue
        mine = words.row == at
        before = keep[mine]
        chosen[at], keep[mine] = True, words.fixed[mine]
        if _pruned(words, keep, chosen).tokens <= budget:
            return
        chosen[at], keep[mine] = False, before


def _top_up(words: Words, keep: Flags, chosen: Flags, priority: Floats, budget: int) -> Flags:
    """Add dropped words of the chosen shots by falling priority, as many as fit."""
    more = np.flatnonzero(chosen[words.row] & ~keep)
    more = more[np.argsort(-priority[more], kind="stable")]

    def fits(added: Ints) -> bool:
        trial = keep.copy()
        trial[added] = True
        return _pruned(words, trial, chosen).tokens <= budget

    low, high = 0, len(more) + 1  # low words fit, high don't
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(more[:middle]) else (low, middle)
    added = more[:low]
    for word in more[low : low + _TRIES]:
        trial = np.append(added, word)
        added = trial if fits(trial) else added
    filled = keep.copy()
    filled[added] = True
    return filled


def _pruned(words: Words, keep: Flags, chosen: Flags) -> Pruned:
    texts = words.texts(keep & chosen[words.row], np.arange(len(words)))
    text, tokens = _joined(words, texts, chosen)
    shots = [at for at in prompt_order(chosen) if texts[at]]
    return Pruned(text, tokens, shots, int(words.whole[shots].sum()))


def _joined(words: Words, texts: Sequence[str], chosen: Flags) -> tuple[str, int]:
    return words.joined([texts[at] for at in prompt_order(chosen)])


def _flags(indices: Sequence[int], size: int) -> Flags:
    flags = np.zeros(size, bool)
    flags[list(indices)] = True
    return flags
