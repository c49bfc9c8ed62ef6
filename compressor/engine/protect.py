"""What must stay: force tokens, words with digits, and what regular expressions protect."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from compressor.engine.characters import DIGIT, LETTER

Ints = npt.NDArray[np.int64]

PATTERN_SECONDS = 10.0
"""A protect pattern that backtracks longer than this on one text fails that text."""


@dataclass(frozen=True, slots=True)
class ForcedSpans:
    """Spans of a flat batch that are kept verbatim, sorted by start.

    start, end: int64 [n] characters; token: int64 [n], the index of the force token, -1 for what a
    regular expression protects.
    """

    start: Ints
    end: Ints
    token: Ints


@dataclass(frozen=True, slots=True)
class Protection:
    """Compiled force tokens and protect patterns. Raises `ValueError` for a bad pattern."""

    tokens: tuple[re.Pattern[str], ...]
    patterns: tuple["regex.Pattern[str]", ...]

    @classmethod
    def of(cls, force_tokens: Sequence[str], protect: Sequence[str]) -> "Protection":
        compiled = []
        for pattern in protect:
            try:
                compiled.append(regex.compile(pattern))
            except regex.error as error:
                raise ValueError(
                    f"protect: {pattern!r} is no regular expression: {error}"
                ) from None
        return cls(tuple(map(_token_pattern, force_tokens)), tuple(compiled))

    def spans(self, texts: Sequence[str], base: Ints, kind: npt.NDArray[np.uint8]) -> ForcedSpans:
        """Every occurrence in the texts, text i standing at base[i] of the flat batch.

        A force token that begins or ends with a letter or digit matches whole words only (`no`
        isn't forced in `know`); in scripts without spaces it matches anywhere.
        """
        found = [
            (at + match.start(), at + match.end(), token)
            for text, at in zip(texts, base.tolist(), strict=True)
            for token, pattern in enumerate(self.tokens)
            for match in pattern.finditer(text)
        ]
        alnum = (kind == LETTER) | (kind == DIGIT)
        spans = np.array(found, np.int64).reshape(-1, 3)
        first, last = spans[:, 0], spans[:, 1]
        inside = (alnum[first] & alnum[first - 1]) | (alnum[last - 1] & alnum[last])
        protected = [
            (at + match.start(), at + match.end(), -1)
            for text, at in zip(texts, base.tolist(), strict=True)
            for pattern in self.patterns
            for match in pattern.finditer(text, timeout=PATTERN_SECONDS)
            if match.end() > match.start()
        ]
        spans = np.concatenate([spans[~inside], np.array(protected, np.int64).reshape(-1, 3)])
        spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
        return ForcedSpans(spans[:, 0], spans[:, 1], spans[:, 2])


def _token_pattern(token: str) -> re.Pattern[str]:
    """A multi-word token also matches across a line break or several blanks."""
    words = token.split()
    if len(words) < 2 or token != token.strip():
        return re.compile(re.escape(token))
    return re.compile(r"\s+".join(map(re.escape, words)))
