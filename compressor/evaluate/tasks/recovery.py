"""How much of what a context does for a reader is still there once it is compressed.

For each item: NLL(answer | no context) - NLL(answer | compressed), over the same with the original
in place of the compressed. Single quotients explode where the original hardly helps, so the two
differences are summed over the items first.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from compressor.evaluate.tasks.task import Floats, Metric
from compressor.reader.reader import Reader

RECOVERY = Metric("recovery", ratio=("gained", "gainable"))
Prompt = Callable[[str, str], str]
"""(context, question) -> what the model reads before the answer; a blank context is none."""


def reading_prompt(context: str, question: str) -> str:
    """The context, the question, and where the answer begins."""
    asked = f"Question: {question}\nAnswer:"
    return f"Context: {context}\n\n{asked}" if context.strip() else asked


class Recovery:
    """The likelihood of each item's reference answer without context, with all, with what is left.

    The first two don't depend on a contender and are computed once.
    """

    def __init__(
        self,
        reader: Reader,
        prompt: Prompt,
        contexts: Sequence[str],
        questions: Sequence[str],
        answers: Sequence[str],
    ) -> None:
        """contexts: the uncompressed ones; one of each for each item."""
        self._reader = reader
        self._prompt = prompt
        self._contexts = list(contexts)
        self._questions = questions
        self._answers = [f" {answer.strip()}" for answer in answers]

    def scores(self, contexts: Sequence[str]) -> dict[str, Floats]:
        """`gained` and `gainable` in nats, float64 [items], of compressed contexts."""
        left = self._whole if list(contexts) == self._contexts else self._nll(contexts)
        return {"gained": self._bare - left, "gainable": self._bare - self._whole}

    @cached_property
    def _bare(self) -> Floats:
        return self._nll([""] * len(self._questions))

    @cached_property
    def _whole(self) -> Floats:
        return self._nll(self._contexts)

    def _nll(self, contexts: Sequence[str]) -> Floats:
        prompts = [self._prompt(*pair) for pair in zip(contexts, self._questions, strict=True)]
        return np.asarray(self._reader.nll(prompts, self._answers), np.float64)
