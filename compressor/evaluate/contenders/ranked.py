"""A contender from nothing but scores of words: random, stop words, tf-idf, and others elsewhere.

In: a function from texts and their words to one score a word. The budget keeps the best ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy.typing as npt

from compressor.evaluate.budget import Budget, Words

ScoreWords = Callable[[Sequence[str], Sequence[Words]], Sequence[npt.ArrayLike]]
"""(texts, character spans of each text's words) -> scores, one array a text, one value a word."""


@dataclass(frozen=True)
class Ranked:
    """Keeps the words of the highest scores that fit the budget."""

    name: str
    identity: str
    budget: Budget
    score: ScoreWords

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        return self.budget.cut(texts, self.score(texts, self.budget.words(texts)), rate)
