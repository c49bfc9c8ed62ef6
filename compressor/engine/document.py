"""A batch of texts as flat arrays: characters, sub-words, words and what each word costs.

Input: texts; output: a `Batch`, made once and never decoded again. All offsets point into one
joined text, in which a line break separates neighbours, so that one numpy operation serves every
text of a shard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.characters import IDEOGRAPH, MARK, SPACE, class_table, code_points
from compressor.engine.pieces import SubWords
from compressor.engine.protect import ForcedSpans, Protection
from compressor.engine.subwords import TokenCounter
from compressor.engine.words import Units, build_units, carried_classes, unit_starts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LONGEST_WORD = 20
"""A word of more sub-words is cut into pieces (a hash, a base64 line, text without spaces)."""
_PIECE = 2
"""Sub-words of such a piece: so few that a budget can be filled to within two tokens."""
_BEHIND = "\n\n\n\n\n"
_SHORT_RUN = 3
"""Blanks in front of a sub-word that are stepped over; more are looked up."""


@dataclass(frozen=True, slots=True)
class Batch:
    """n texts, c characters, t sub-words, u units (words, punctuation, forced blanks).

    text: all of them joined; code: uint32 [c], kind: uint8 [c]; base: int64 [n], where each text
    begins; subwords: offsets into the joined text; row: int64 [u], the text of each unit; splits:
    int64 [n + 1], text i has units splits[i] to splits[i + 1]; cost: int64 [u], about what the unit
    adds, by the tokenizer that counts; tokens: int64 [n], tokens of each text by it; forced: bool
    [u]; occurrence: int64 [u], which match of a force token covers the unit (-1: none);
    token: int64 [u], which force token that is; blank: bool [u], forced white space;
    whole: int64 [u], the first unit of the long word that the unit is a piece of (else itself).
    """

    text: str
    code: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    base: Ints
    subwords: SubWords
    units: Units
    row: Ints
    splits: Ints
    cost: Ints
    tokens: Ints
    forced: Flags
    occurrence: Ints
    token: Ints
    blank: Flags
    whole: Ints

    def __len__(self) -> int:
        return len(self.base)


def build_batch(
    texts: Sequence[str],
    tokenizer: TokenCounter,
    counter: TokenCounter | None = None,
    protection: Protection | None = None,
    *,
    force_reserve_digit: bool = False,
) -> Batch:
    """Tokenise and segment texts. `counter` prices the words; None: the model's tokenizer."""
    joined = "\n" + "\n".join(texts) + _BEHIND
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
    base = 1 + np.cumsum(lengths + 1) - (lengths + 1)
    code = code_points(joined)
    classes = class_table()[code]
    kind = carried_classes(classes)

    own = _placed(tokenizer.encode(texts), base, kind)
    priced = own if counter is None else _placed(counter.encode(texts), base, kind)

    starts = unit_starts(joined, code, classes, kind)
    _split_spaceless(starts, classes, kind, own)
    inside = kind != SPACE
    forced = (protection or Protection((), ())).spans(texts, base, kind)
    _split_forced(starts, inside, code, kind, forced)
    uncut = starts.copy()
    for tokens in (own,) if counter is None else (own, priced):
        _cut_long(starts, inside, classes, uncut, tokens)

    units, splits = build_units(starts, inside, kind, code, base)
    keep, occurrence, token = _forced_units(units, forced)
    if force_reserve_digit:
        keep |= _holds(units, _digits(code))
    return Batch(
        text=joined,
        code=code,
        kind=kind,
        base=base,
        subwords=own,
        units=units,
        row=np.repeat(np.arange(len(texts)), np.diff(splits)),
        splits=splits,
        cost=_prices(units, priced, len(code)),
        tokens=priced.counts,
        forced=keep,
        occurrence=occurrence,
        token=token,
        blank=kind[units.start] == SPACE,
        whole=np.maximum.accumulate(np.where(uncut[units.start], np.arange(len(units.start)), 0)),
    )


def counts_below(places: Ints, n: int) -> Ints:
    """How many of the places (0 to n - 1) lie below each of 0 to n, int64 [n + 1]."""
    return np.concatenate([[0], np.cumsum(np.bincount(places, minlength=n))])


def _placed(subwords: SubWords, base: Ints, kind: npt.NDArray[np.uint8]) -> SubWords:
    """Offsets moved to the joined text, white space in front of a sub-word trimmed.

    A sub-word of white space alone becomes empty, so that no word takes it for its own.
    """
    shift = np.repeat(base, subwords.counts)
    start, end = subwords.start + shift, subwords.end + shift
    blank = np.flatnonzero((kind[start] == SPACE) & (start < end))
    for _ in range(_SHORT_RUN):
        start[blank] += 1
        blank = blank[(kind[start[blank]] == SPACE) & (start[blank] < end[blank])]
    if len(blank):
        start[blank] = np.minimum(_next_solid(kind)[start[blank]], end[blank])
    return SubWords(subwords.ids, start, end, subwords.splits)


def _next_solid(kind: npt.NDArray[np.uint8]) -> Ints:
    """For each character the next one, itself included, that is no white space."""
    n = len(kind)
    at = np.where(kind != SPACE, np.arange(n), n)
    return np.asarray(np.minimum.accumulate(at[::-1])[::-1])


def _split_spaceless(
    starts: Flags, classes: npt.NDArray[np.uint8], kind: npt.NDArray[np.uint8], subwords: SubWords
) -> None:
    """Where no blanks part the words, the tokenizer's pieces do."""
    at = subwords.start[subwords.end > subwords.start]
    at = at[(kind[at] == IDEOGRAPH) & (classes[at] != MARK)]
    starts[at] = True


def _split_forced(
    starts: Flags,
    inside: Flags,
    code: npt.NDArray[np.uint32],
    kind: npt.NDArray[np.uint8],
    forced: ForcedSpans,
) -> None:
    """Forced white space becomes units; a forced mark is cut out of a run of its like ("???")."""
    if not len(forced.start):
        return
    covered = np.zeros(len(inside) + 1, np.int64)
    np.add.at(covered, forced.start, 1)
    np.add.at(covered, forced.end, -1)
    blank = (kind == SPACE) & (np.cumsum(covered)[:-1] > 0)
    inside |= blank
    starts[1:] |= blank[1:] & ~blank[:-1]
    for edge in (forced.start, forced.end):
        run = inside[edge] & (kind[edge] > MARK) & (code[edge] == code[edge - 1])
        starts[edge[run | blank[edge]]] = True
    starts[1:] |= blank[:-1] & inside[1:] & ~blank[1:]


def _cut_long(
    starts: Flags,
    inside: Flags,
    classes: npt.NDArray[np.uint8],
    uncut: Flags,
    subwords: SubWords,
) -> None:
    """Cut units of more than LONGEST_WORD sub-words where a sub-word begins a new character.

    starts: changed in place; uncut: where units begin before any is cut.
    """
    solid = subwords.end > subwords.start
    at = subwords.start[solid]
    if not len(at):
        return
    unit = np.cumsum(uncut)[at]
    first = np.flatnonzero(np.concatenate([[True], unit[1:] != unit[:-1]]))
    size = np.diff(np.append(first, len(at)))
    if size.max() <= LONGEST_WORD:
        return
    rank = np.arange(len(at)) - np.repeat(first, size)
    fresh = np.concatenate([[True], at[1:] > at[:-1]]) & (classes[at] != MARK) & inside[at]
    fresh &= np.repeat(size, size) > LONGEST_WORD
    places = np.flatnonzero(fresh)
    piece = rank[places] // _PIECE
    same_unit = unit[places[1:]] == unit[places[:-1]]
    starts[at[places[1:][same_unit & (piece[1:] != piece[:-1])]]] = True


def _forced_units(units: Units, forced: ForcedSpans) -> tuple[Flags, Ints, Ints]:
    """Which units a forced span touches, and which occurrence covers a unit wholly."""
    n = len(units.start)
    keep = np.zeros(n, bool)
    occurrence, token = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    if not len(forced.start):
        return keep, occurrence, token
    low = np.searchsorted(units.end, forced.start, "right")
    high = np.searchsorted(units.start, forced.end, "left")
    size = np.maximum(high - low, 0)
    which = np.repeat(np.arange(len(low)), size)
    unit = np.repeat(low, size) + np.arange(len(which)) - np.repeat(np.cumsum(size) - size, size)
    keep[unit] = True
    whole = (units.start[unit] >= forced.start[which]) & (units.end[unit] <= forced.end[which])
    whole &= forced.token[which] >= 0
    occurrence[unit[whole]] = which[whole]
    token[unit[whole]] = forced.token[which[whole]]
    return keep, occurrence, token


def _digits(code: npt.NDArray[np.uint32]) -> Flags:
    """Characters that `str.isdigit` takes for digits."""
    distinct, where = np.unique(code, return_inverse=True)
    return np.array([chr(char).isdigit() for char in distinct.tolist()], bool)[where]


def _holds(units: Units, flags: Flags) -> Flags:
    """True for units with at least one flagged character."""
    total = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(total[units.end] > total[units.start])


def _prices(units: Units, tokens: SubWords, n: int) -> Ints:
    """Tokens that begin inside each unit, and 1 where a token only reaches into it.

    Tokens of white space alone belong to no unit; a unit that the tokenizer deletes costs nothing.
    n: characters of the joined text.
    """
    solid = tokens.end > tokens.start
    begun, ended = counts_below(tokens.start[solid], n), counts_below(tokens.end[solid], n)
    before_end = begun[units.end]
    touched = before_end - ended[units.start + 1]
    inside = before_end - begun[units.start]
    return np.asarray(np.maximum(inside, np.minimum(touched, 1)))
