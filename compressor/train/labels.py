"""What the classifier is asked to say of each word: a target between 0 (drop) and 1 (keep).

In: the teacher's grade of each word. Out: targets for the loss that is configured, and the least
targets of words that carry facts or stand in a string that must survive.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from compressor.distill.annotate import DROPPED, IN_HALF, IN_QUARTER
from compressor.evaluate.facts import Kind, find_facts
from compressor.train.config import LabelSection

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def teacher_targets(grades: Floats, labels: LabelSection) -> Floats:
    """Targets of words (any shape) from their grades, smoothed; float32 of the same shape."""
    if labels.loss == "binary":
        kept = IN_HALF if labels.level == "half" else IN_QUARTER
        targets = (grades >= kept).astype(np.float32)
    else:
        half_only = (grades != DROPPED) & (grades != IN_QUARTER)
        targets = np.where(half_only, np.float32(labels.half), grades)
    return (targets * (1 - labels.smoothing) + labels.smoothing / 2).astype(np.float32)


def least_targets(
    text: str, spans: Ints, *, keep: Sequence[str] = (), lift: Mapping[Kind, float] | None = None
) -> Floats:
    """The least target of each word, float32 [words]; 0 for most.

    A target t becomes least + (1 - least) * t, so that facts rank among each other as the teacher
    ranked them.

    `spans`: int64 [words, 2], the words' characters. Words of a fact get what `lift` says of its
    kind; words of an occurrence of a string of `keep` (in any case, from the start of a word to the
    end of one) get 1.
    """
    least = np.zeros(len(spans), np.float32)
    starts, ends = spans[:, 0], spans[:, 1]

    def raise_to(target: float, start: int, end: int) -> None:
        touched = slice(
            int(np.searchsorted(ends, start, side="right")), int(np.searchsorted(starts, end))
        )
        least[touched] = np.maximum(least[touched], np.float32(target))

    if lift:
        for fact in find_facts(text):
            if target := lift.get(fact.kind):
                raise_to(target, fact.start, fact.end)
    first, last = set(starts.tolist()), set(ends.tolist())
    for wanted in filter(None, (string.strip() for string in keep)):
        for found in re.finditer(re.escape(wanted), text, re.IGNORECASE):
            if found.start() in first and found.end() in last:
                raise_to(1.0, *found.span())
    return least
