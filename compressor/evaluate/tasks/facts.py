"""Are numbers, dates, names, negations, units and code still there? Shares of all mentions."""

from collections.abc import Sequence

from compressor.evaluate.facts import KINDS, count_kept
from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.tasks.task import Metric, Scores

_ALL = "all"


class Facts:
    """Items: texts. For each kind, and for all of them, mentions kept / mentions there were."""

    name = "facts"
    metrics = tuple(
        Metric(kind, ratio=(f"{kind} kept", f"{kind} there")) for kind in (*KINDS, _ALL)
    )
    groups = None

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)
        self.items = [str(number) for number in range(len(texts))]
        self.identity = fingerprint("facts 1", self._texts)

    def texts(self) -> Sequence[str]:
        return self._texts

    def score(self, compressed: Sequence[str]) -> Scores:
        counts = {str(kind): pairs for kind, pairs in count_kept(self._texts, compressed).items()}
        counts[_ALL] = sum(counts.values(), start=0 * next(iter(counts.values())))
        return {
            f"{kind} {column}": pairs[:, at].astype(float)
            for kind, pairs in counts.items()
            for at, column in enumerate(("kept", "there"))
        }
