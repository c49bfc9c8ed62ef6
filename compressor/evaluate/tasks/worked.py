"""Do compressed worked examples still teach? Few-shot prompts before problems such as GSM8K's."""

from collections.abc import Sequence
from dataclasses import astuple

from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.problems import Problem
from compressor.evaluate.tasks.recovery import RECOVERY, Recovery
from compressor.evaluate.tasks.task import Scores
from compressor.reader.prompts import SEPARATOR, few_shot_prompt
from compressor.reader.reader import Reader


class WorkedExamples:
    """Items: problems, all with the same worked examples before them; the examples are compressed.

    `recovery`: of the gold solutions. The examples go through the model once for all problems.
    """

    name = "math"
    metrics = (RECOVERY,)
    groups = None

    def __init__(
        self,
        problems: Sequence[Problem],
        shots: Sequence[str],
        reader: Reader,
    ) -> None:
        """shots: the worked examples, each compressed by itself."""
        self._shots = list(shots)
        self._recovery = Recovery(
            reader,
            few_shot_prompt,
            self._contexts(self._shots, len(problems)),
            [problem.question for problem in problems],
            [problem.solution for problem in problems],
        )
        self._problems = len(problems)
        self.items = [problem.id for problem in problems]
        self.identity = fingerprint(
            "math 1", [astuple(problem) for problem in problems], self._shots, reader.identity
        )

    def texts(self) -> Sequence[str]:
        return self._shots

    def score(self, compressed: Sequence[str]) -> Scores:
        if len(compressed) != len(self._shots):
            raise ValueError(f"math: {len(compressed)} of {len(self._shots)} worked examples")
        return self._recovery.scores(self._contexts(compressed, self._problems))

    @staticmethod
    def _contexts(shots: Sequence[str], problems: int) -> list[str]:
        return [SEPARATOR.join(shot for shot in shots if shot)] * problems
