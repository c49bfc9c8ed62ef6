"""Are numbers, dates, names, negations, units and code still there? Shares of all mentions.

Verbatim, as a reader would search for them. Names and the total are counted without regard to case
as well, so that a compressor that lower-cases is also judged by what it selects.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from compressor.evaluate import facts
from compressor.evaluate.facts import KINDS, Kind, count_kept
from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.tasks.task import Metric, Scores

_ALL, _FOLDED = "all", ", any case"
_NAMES = (*KINDS, _ALL, f"name{_FOLDED}", f"{_ALL}{_FOLDED}")


class Facts:
    """Items: texts. For each kind, and for all of them, mentions kept / mentions there were."""

    name = "facts"
    metrics = tuple(Metric(name, ratio=(f"{name} kept", f"{name} there")) for name in _NAMES)
    groups = None

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)
        self.items = [str(number) for number in range(len(texts))]
        self.identity = fingerprint("facts 2", _rules(), self._texts)

    def texts(self) -> Sequence[str]:
        return self._texts

    def score(self, compressed: Sequence[str]) -> Scores:
        exact = _with_total(count_kept(self._texts, compressed))
        folded = _with_total(count_kept(self._texts, compressed, ignore_case=True))
        counts = exact | {f"{name}{_FOLDED}": folded[name] for name in ("name", _ALL)}
        return {
            f"{name} {column}": counts[name][:, at].astype(float)
            for name in _NAMES
            for at, column in enumerate(("kept", "there"))
        }


def _with_total(
    counts: Mapping[Kind, npt.NDArray[np.int64]],
) -> dict[str, npt.NDArray[np.int64]]:
    total = {_ALL: np.sum(list(counts.values()), 0)}
    return {str(kind): pairs for kind, pairs in counts.items()} | total


def _rules() -> str:
    """What a fact is, is decided by that module's words and patterns: scores hold as long as it."""
    return Path(facts.__file__).read_text(encoding="utf-8")
