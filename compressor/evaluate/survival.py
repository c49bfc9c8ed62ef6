"""Does the answer survive? The share of records whose gold answer still stands in the compression.

Works on plain strings; who compressed them doesn't matter.
"""

import re
import string
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MARKS = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """As SQuAD does: lower case, then punctuation, articles and surplus blanks removed."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_MARKS)).split())


def holds_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether one of `answers` stands whole in `text`, both normalised.

    An answer of which normalising leaves nothing ("The", "?") never counts as found.
    """
    searched = normalise(text)
    return any(wanted in searched for answer in answers if (wanted := normalise(answer)))


def survival(
    originals: Sequence[str], compressed: Sequence[str], answers: Sequence[Sequence[str]]
) -> float:
    """Share, 0 to 1, of the records that hold an answer and still do when compressed.

    Three lists of equal length; `answers[i]` are the accepted answers of record i. Records whose
    original holds no answer are left out. Raises `ValueError` if none is left, or for lists of
    different lengths.
    """
    held = [
        holds_answer(after, accepted)
        for before, after, accepted in zip(originals, compressed, answers, strict=True)
        if holds_answer(before, accepted)
    ]
    if not held:
        raise ValueError("survival: no record's original text holds one of its answers")
    return sum(held) / len(held)
