"""Which texts hold passages of others: what a model was trained on must not judge it.

Matching is by word 6-grams, whatever the case, marks and line breaks, so that a passage is found
that was cut out of a longer text or lost its speakers' names.
"""

import re
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+")
_SIZE = 6
_SHARE = 0.5
"""Of a passage's 6-grams. Meetings of one parliament share what a chair always says, up to a third
of a passage; a passage that was cut out of a transcript has nearly all of its own in it."""


def grams(text: str) -> frozenset[tuple[str, ...]]:
    """The distinct runs of six words of a text, lower case; empty for a shorter text."""
    words = _WORD.findall(text.lower())
    return frozenset(zip(*(words[at:] for at in range(_SIZE)), strict=False))


def touched(texts: Sequence[str], passages: Iterable[str]) -> list[bool]:
    """For each text whether one of the passages has at least half of its 6-grams in it."""
    known = [found for passage in passages if (found := grams(passage))]
    every = frozenset().union(*known)
    flags = []
    for text in texts:
        shared = grams(text) & every
        flags.append(any(len(shared & one) >= _SHARE * len(one) for one in known))
    return flags
