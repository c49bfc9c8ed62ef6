"""The interface of everything that judges compressions: texts out, compressed texts in, scores out.

A task has items (a question, a record, a query of a meeting) and texts, which need not be one for
each item. Its scores are arrays with one value an item, in the same order for every contender, so
that contenders are compared item by item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Scores = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of the table: how it comes from the scores of the items.

    name: what the table calls it. ratio: None for the mean of `scores[name]` over the items where
    it isn't NaN; or the keys of two arrays, (numerator, denominator), for the quotient of their
    sums. Where a mean is NaN, and what a denominator is, must not depend on the contender.
    """

    name: str
    higher_is_better: bool = True
    ratio: tuple[str, str] | None = None


class Task(Protocol):
    """A judgement of compressions. Models are loaded at the first `score`, not before."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """Whatever decides the scores apart from the compressed texts: items, models, settings.

        Part of the key under which results are kept for a rerun.
        """
        ...

    @property
    def metrics(self) -> Sequence[Metric]: ...

    @property
    def items(self) -> Sequence[str]:
        """A name (an id) for each item."""
        ...

    @property
    def groups(self) -> npt.NDArray[np.int64] | None:
        """int64 [items]: equal numbers belong together (one meeting); None: each stands alone."""
        ...

    def texts(self) -> Sequence[str]:
        """What is compressed."""
        ...

    def score(self, compressed: Sequence[str]) -> Scores:
        """float64 [items] each, of compressions in the order of `texts()`.

        `score(self.texts())` is the reference without compression.
        """
        ...
