"""Records that hold a list of passages, such as the contexts of a question, as one text each.

In: a text, or a list of passages; out: the text in which they stand one below the other, and where
each of them begins.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Text = str | Sequence[str]
Starts = Sequence[Ints | None]
"""For each text the characters at which its passages begin, int64 [p]; None for a plain text."""

SEPARATOR = "\n"


def content(value: Any) -> Text | None:
    """A cell of a text column as the engine takes it: of a list, null passages are left out."""
    if value is None or isinstance(value, str):
        return value
    return tuple(passage for passage in value if passage is not None)


def joined(text: Text) -> str:
    """One text of all passages."""
    return text if isinstance(text, str) else SEPARATOR.join(text)


def all_joined(texts: Sequence[Text]) -> Sequence[str]:
    """Each as one text; the sequence itself where there are no lists."""
    if starts_of(texts) is None:
        return texts  # type: ignore[return-value]
    return [joined(text) for text in texts]


def starts_of(texts: Sequence[Text]) -> Starts | None:
    """Where the passages of each text begin; None where all are plain texts."""
    if all(isinstance(text, str) for text in texts):
        return None
    return [None if isinstance(text, str) else _starts(text) for text in texts]


def _starts(passages: Sequence[str]) -> Ints:
    lengths = np.fromiter(map(len, passages), np.int64, len(passages)) + len(SEPARATOR)
    return np.cumsum(lengths) - lengths
