"""Where the words of a text begin and end, without a Python loop per character.

A word is what a reader would call one: numbers with separators, URLs, e-mail addresses,
identifiers, contractions and hyphenated compounds stay whole. A run of one punctuation mark is a
unit of its own, owned by the word that it belongs to. Input: code points and their classes;
output: flags per character, from which units follow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from compressor.engine.characters import (
    DIGIT,
    IDEOGRAPH,
    LETTER,
    MARK,
    OPEN,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    members,
)

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_BETWEEN_ALNUM = members("'’.-‐‑/@&\\·")
_BETWEEN_DIGITS = members(",:–*+=×÷^<>٫٬")
_AFTER_DIGIT = members("%‰°‱¢€£¥₹")
_BEFORE_WORD = members("#@.-/+±−~\\$€£¥₹")
_LONGEST_PREFIX = 3
_APOSTROPHES = members("'’")
_SIGNS = (_BETWEEN_ALNUM, _BETWEEN_DIGITS, _AFTER_DIGIT, _BEFORE_WORD, _APOSTROPHES)
_IS_BETWEEN_ALNUM, _IS_BETWEEN_DIGITS, _IS_AFTER_DIGIT, _IS_BEFORE_WORD, _IS_APOSTROPHE = (
    np.uint8(1 << bit) for bit in range(len(_SIGNS))
)
_URL = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*://|www\.)[\w\-.~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_QUALIFIED = re.compile(r"[^\W\d]\w*(?:(?:::|->)\w+)+")
_URL_TAIL = ".,;:!?'*"
_RUN = re.compile(r"[^ \n]+")


@dataclass(frozen=True, slots=True)
class Units:
    """Words and punctuation of a flat batch of text, in order.

    start, end: character offsets, int64 [n]; punctuation: bool [n]; owner: int64 [n], the unit
    that a punctuation unit can't outlive (a word owns itself).
    """

    start: Ints
    end: Ints
    punctuation: Flags
    owner: Ints


def carried_classes(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Give marks the class of the character that they extend (a letter's after a blank).

    The first character must be no mark.
    """
    carried = classes.copy()
    marks = np.flatnonzero(classes == MARK)
    first = np.diff(marks, prepend=-1) > 1  # of a run of marks
    before = classes[marks[first] - 1][np.cumsum(first) - 1]
    carried[marks] = np.where(before == SPACE, LETTER, before)
    return carried


def unit_starts(
    text: str,
    code: npt.NDArray[np.uint32],
    classes: npt.NDArray[np.uint8],
    kind: npt.NDArray[np.uint8],
) -> Flags:
    """True where a unit begins, bool [len(text)], before sub-words refine spaceless scripts.

    text: at least one blank in front and four behind; code, classes, kind: its code points, their
    classes and `carried_classes`.
    """
    sign = _sign_table()[code]
    joined = _same_run(code, classes, kind) | _connected(sign, kind) | _attached(code, sign, kind)
    starts: Flags = (kind != SPACE) & ~joined
    for first, last in _whole_spans(text):
        starts[first] = True
        starts[first + 1 : last] = False
        starts[last] = kind[last] != SPACE
    return starts


@cache
def _sign_table() -> npt.NDArray[np.uint8]:
    """What sorts of sign each code point is, a bit for each of `_SIGNS`, uint8 [0x110000]."""
    table = np.zeros(0x110000, np.uint8)
    for bit, chars in enumerate(_SIGNS):
        table[chars] |= np.uint8(1 << bit)
    return table


def _same_run(
    code: npt.NDArray[np.uint32], classes: npt.NDArray[np.uint8], kind: npt.NDArray[np.uint8]
) -> Flags:
    """True where a character goes on with the unit before it because they are of one sort."""
    joined = np.zeros(len(code), bool)
    now, before = kind[1:], kind[:-1]
    alnum = (kind == LETTER) | (kind == DIGIT)
    same_mark = (code[1:] == code[:-1]) & np.isin(now, (OPEN, PUNCTUATION, SYMBOL))
    flags = (code >= 0x1F1E6) & (code <= 0x1F1FF)
    zero_width_joined = (code[:-1] == 0x200D) & (now == SYMBOL)
    joined[1:] = (
        (alnum[1:] & alnum[:-1])
        | ((now == IDEOGRAPH) & (before == IDEOGRAPH))
        | ((same_mark | zero_width_joined | (flags[1:] & flags[:-1])) & (before != SPACE))
        | ((classes[1:] == MARK) & (before != SPACE))
    )
    return joined


def _connected(sign: npt.NDArray[np.uint8], kind: npt.NDArray[np.uint8]) -> Flags:
    """True on both sides of a connector inside a word: 150,782  3.14  don't  a/b  x@y."""
    digit = kind == DIGIT
    alnum = digit | (kind == LETTER)
    connector = np.zeros(len(sign), bool)
    connector[1:-1] = (
        _holds(sign[1:-1], _IS_BETWEEN_ALNUM) & alnum[:-2] & alnum[2:]
        | _holds(sign[1:-1], _IS_BETWEEN_DIGITS) & digit[:-2] & digit[2:]
    )
    connector &= kind != LETTER
    joined = connector.copy()
    joined[1:] |= connector[:-1]
    return joined


def _holds(sign: npt.NDArray[np.uint8], bit: np.uint8) -> Flags:
    return np.asarray((sign & bit) != 0)


def _attached(
    code: npt.NDArray[np.uint32], sign: npt.NDArray[np.uint8], kind: npt.NDArray[np.uint8]
) -> Flags:
    """True where a sign belongs to its word: 12% 20°C $64 #1 @user -5 --flag .5 /usr C++ 's."""
    digit, letter, space = kind == DIGIT, kind == LETTER, kind == SPACE
    alnum = digit | letter
    joined = np.zeros(len(code), bool)

    suffix = _holds(sign, _IS_AFTER_DIGIT)
    suffix[1:] &= digit[:-1]
    joined |= suffix
    joined[1:] |= suffix[:-1] & (code[:-1] == ord("°")) & letter[1:]

    plus, sharp = code == ord("+"), code == ord("#")
    joined[1:-1] |= sharp[1:-1] & letter[:-2] & ~alnum[2:]
    joined[1:-2] |= plus[1:-2] & plus[2:-1] & letter[:-3] & ~alnum[3:]

    clitic = _holds(sign[1:-3], _IS_APOSTROPHE) & space[:-4] & letter[2:-2]
    clitic &= space[3:-1] | (letter[3:-1] & space[4:])
    joined[2:-2] |= clitic

    leads = _holds(sign, _IS_BEFORE_WORD)
    first = np.flatnonzero(leads[1:] & ~leads[:-1]) + 1
    last = np.flatnonzero(leads[:-1] & ~leads[1:])
    length = last - first + 1
    all_dots = (length > 1) & (code[first] == ord(".")) & (code[last] == ord("."))
    before, after = kind[first - 1], alnum[last + 1]
    prefix = after & (length <= _LONGEST_PREFIX) & ~all_dots
    prefix &= (before == SPACE) | (before == OPEN)
    for step in range(1, _LONGEST_PREFIX + 1):
        joined[first[prefix & (length >= step)] + step] = True
    return joined


def _whole_spans(text: str) -> list[tuple[int, int]]:
    """Spans of URLs, e-mail addresses and qualified names."""
    spans = [match.span() for match in _matches(_EMAIL, text, "@")]
    spans += [match.span() for match in _matches(_QUALIFIED, text, "::", "->")]
    for match in _matches(_URL, text, "://", "www."):
        url = match[0].rstrip(_URL_TAIL)
        if url.endswith(")") and "(" not in url:
            url = url[:-1].rstrip(_URL_TAIL)
        spans.append((match.start(), match.start() + len(url)))
    return spans


def _matches(pattern: re.Pattern[str], text: str, *marks: str) -> Iterator[re.Match[str]]:
    """The matches of a pattern that holds one of the marks and no blank or line break.

    Few runs of other characters hold a mark; the pattern, which tries every letter, is spared the
    rest of the text. What holds two marks may come twice.
    """
    for mark in marks:
        last, at = 0, text.find(mark)
        while at >= 0:
            first = 1 + max(text.rfind(blank, last, at) for blank in " \n")
            run = _RUN.match(text, at)
            last, first = run.end() if run else at, max(last, first)
            yield from pattern.finditer(text, first, last)
            at = text.find(mark, last)


def build_units(
    starts: Flags,
    inside: Flags,
    kind: npt.NDArray[np.uint8],
    code: npt.NDArray[np.uint32],
    base: Ints,
) -> tuple[Units, Ints]:
    """Units from flags per character, each punctuation unit with its owner; and splits, int64

    [n + 1]: text i has units splits[i] to splits[i + 1]. inside: characters that belong to a unit
    at all; base: int64 [n], where each text begins.
    """
    first = np.flatnonzero(starts)
    ends = inside.copy()
    ends[:-1] &= starts[1:] | ~inside[1:]
    last = np.flatnonzero(ends) + 1
    splits = np.append(np.searchsorted(first, base), len(first))
    row = np.repeat(np.arange(len(base)), np.diff(splits))
    line = np.cumsum(code == ord("\n"), dtype=np.int32)[first]

    sort = kind[first]
    marks = (kind == PUNCTUATION) | (kind == OPEN) | (kind == SPACE)
    words_before = np.concatenate([[0], np.cumsum(~marks, dtype=np.int32)])
    punctuation = words_before[last] == words_before[first]
    owner = _owners(first, last, punctuation, sort == OPEN, line, row)
    here = np.arange(len(first))
    owner = np.where(sort == SPACE, here, owner)  # a verbatim blank belongs to no word
    return Units(first, last, punctuation & (owner != here), owner), splits


def _owners(
    start: Ints,
    end: Ints,
    punctuation: Flags,
    opening: Flags,
    line: npt.NDArray[np.int32],
    row: Ints,
) -> Ints:
    """The word that each punctuation unit belongs to: glued ones first, then on the same line."""
    n = len(start)
    here = np.arange(n)
    if n == 0:
        return here
    previous = np.maximum.accumulate(np.where(punctuation, -1, here))
    following = np.minimum.accumulate(np.where(punctuation, n, here)[::-1])[::-1]
    has_previous = (previous >= 0) & (row[previous] == row)
    following_or_self = np.minimum(following, n - 1)
    has_following = (following < n) & (row[following_or_self] == row)

    glued = np.zeros(n, bool)
    glued[1:] = start[1:] == end[:-1]
    cluster = np.cumsum(~glued)
    glued_previous = has_previous & (cluster[previous] == cluster)
    glued_following = has_following & (cluster[following_or_self] == cluster)
    after_opening = np.zeros(n, bool)
    after_opening[1:] = opening[:-1] & glued[1:]
    forward = opening | after_opening
    line_previous = has_previous & (line[previous] == line)
    line_following = has_following & (line[following_or_self] == line)
    cases = [
        (~punctuation, here),
        (forward & glued_following, following),
        (glued_previous, previous),
        (glued_following, following),
        (opening & line_following, following),
        (line_previous, previous),
        (line_following, following),
        (has_previous, previous),
        (has_following, following),
    ]
    owner: Ints = np.select([when for when, _ in cases], [which for _, which in cases], here)
    return owner
