"""Deterministic inference: rank by probability, fill the budget, never exceed it.

Shots are taken by falling probability as long as they fit, of each the fixed words and those at or
above a threshold. What is left of the budget goes to the likeliest of the dropped words. Counts are
of the judge's tokenizer over the prompt as a whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from compressor.reader.prompts import SEPARATOR
from compressor.reinforce.actions import prompt_order, ranked
from compressor.reinforce.config import SHOTS, WORDS
from compressor.reinforce.policy import Logits
from compressor.reinforce.words import Words

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_TRIES = 16
"""Single words that are tried where the likeliest one left doesn't fit."""
_ABOUT = 2
"""Tokens by which a word may cost less than its price: dearer ones aren't tried."""
_SPARE = 4
"""Shots beside those that fit that a shortlist holds: one of them may be squeezed in."""


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
    words: Words,
    logits: Logits,
    *,
    budget: int,
    threshold: float = 0.5,
    stages: Sequence[str] = (SHOTS, WORDS),
) -> Pruned:
    """Fill `budget` tokens with the words' shots; empty text where not even one word fits.

    threshold: keep words of at least this probability. A stage that isn't in `stages` decides
    nothing: without "shots" the nearest come first, without "tokens" shots stay whole as long as
    one of them fits.
    """
    if not len(words):
        return Pruned("", 0, (), 0)
    priority = logits.words.detach().double().cpu().numpy()
    keep = kept_words(words, logits, threshold, stages)
    rank = ranked(logits, len(words), stages)
    chosen = _take(words, keep, rank, budget)
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


def fill(words: Words, priority: Floats, budget: int) -> Pruned:
    """Of all shots the words of the highest priority, float [w], that fit, none of them fixed."""
    every = np.ones(len(words), bool)
    none = np.zeros(len(words.row), bool)
    return _pruned(words, _top_up(words, none, every, priority, budget), every)


def kept_words(words: Words, logits: Logits, threshold: float, stages: Sequence[str]) -> Flags:
    """The fixed words and those of at least this probability; all without that stage. bool [w]"""
    if WORDS not in stages:
        return np.ones(len(words.row), bool)
    chances = logits.words.detach().double().cpu().numpy()
    return np.asarray(words.fixed | (chances >= np.log(threshold / (1 - threshold))))


def left_over(words: Words, keep: Flags) -> tuple[list[str], Ints]:
    """What is left of each shot, and its tokens, a separator behind; 0 where nothing is left."""
    texts = words.texts(keep, np.arange(len(words)))
    return texts, np.where([bool(text) for text in texts], words.costs(texts), 0)


def shortlist(costs: Ints, least: Ints, rank: Ints, room: int) -> Ints:
    """The shots that `prune` may choose, int64 [n], sorted: it needs to see no others.

    costs: int64 [k], as `left_over` says; least: the same of the fixed words alone; rank: all shots
    by falling rank; room: the budget and a separator, for none stands behind the last shot.
    """
    taken = _fitting(costs, rank, room)
    left = room - int(costs[taken].sum())
    seen = set(taken)
    spare = [at for at in rank.tolist() if at not in seen and least[at] <= left]
    return np.unique(np.array([*taken, *spare[:_SPARE], *rank[:1].tolist()], np.int64))


def _fitting(costs: Ints, rank: Ints, room: int) -> list[int]:
    """The shots that fit, tried in the order of their rank; of a cost of 0 nothing is left."""
    taken: list[int] = []
    for at in rank.tolist():
        if 0 < costs[at] <= room:
            taken.append(at)
            room -= int(costs[at])
    return taken


def _take(words: Words, keep: Flags, rank: Ints, budget: int) -> Flags:
    """The shots of which what is kept fits; bool [k]."""
    texts, costs = left_over(words, keep)
    # None stands behind the last one.
    taken = _fitting(costs, rank, budget + int(words.counter.count([SEPARATOR])[0]))
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

    def with_more(added: Ints) -> Flags:
        filled = keep.copy()
        filled[added] = True
        return filled

    @cache
    def tokens_of_first(count: int) -> int:
        return _pruned(words, with_more(more[:count]), chosen).tokens

    prices = np.cumsum(words.cost[more])
    guess = int(np.searchsorted(prices, budget - tokens_of_first(0), "right"))
    fitting = most(lambda count: tokens_of_first(count) <= budget, len(more), guess)
    added, left = more[:fitting], budget - tokens_of_first(fitting)
    for word in more[fitting : fitting + _TRIES]:
        if left <= 0:
            break
        if words.cost[word] > left + _ABOUT:
            continue
        trial = np.append(added, word)
        tokens = _pruned(words, with_more(trial), chosen).tokens
        if tokens <= budget:
            added, left = trial, budget - tokens
    return with_more(added)


def most(fits: Callable[[int], bool], limit: int, guess: int) -> int:
    """The largest number up to `limit` that fits, as 0 does and none does behind one that doesn't.

    It is looked for around the guess, in steps that double until it lies between two of them.
    """
    low, high, step, at = 0, limit + 1, 1, guess  # low fits, high doesn't
    while high - low > 1:
        at = min(max(at, low + 1), high - 1)
        if fits(at):
            low, at = at, at + step if high > limit else (at + high) // 2
        else:
            high, at = at, at - step if low == 0 else (low + at) // 2
        step *= 2
    return low


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
