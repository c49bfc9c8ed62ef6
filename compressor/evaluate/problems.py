"""Problems with worked solutions (GSM8K): those that are posed, and those that are examples.

In: files with `question` and `answer`. What a model was trained on is neither posed nor shown.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compressor.corpus.rows import read_rows
from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.reader.prompts import worked

TrainedOn = Callable[[str | None, str], bool]
"""(id or None, text) -> whether a model was trained on it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem and its gold solution, worked out."""

    id: str
    question: str
    solution: str

    @property
    def worked(self) -> str:
        """The problem with its solution, as it stands in a prompt and in teacher data."""
        return worked(self.question, self.solution)


def load_problems(config: EvaluateConfig, trained_on: TrainedOn) -> list[Problem]:
    """The problems of `math.path`. Raises `InputError` where there are none."""
    return _load(config, config.math.path, "math.path", trained_on)


def load_shots(config: EvaluateConfig, trained_on: TrainedOn) -> list[str]:
    """`math.shots` worked examples of `math.shots_path`, drawn by `evaluate.seed`, in order.

    Problems of `math.path` are none of them. Raises `InputError` where there are too few.
    """
    posed = {problem.question for problem in load_problems(config, trained_on)}
    found = _load(config, config.math.shots_path, "math.shots_path", trained_on)
    found = [problem for problem in found if problem.question not in posed]
    wanted = config.math.shots
    if len(found) < wanted:
        raise InputError(
            f"math.shots: wants {wanted}; math.shots_path has {len(found)} that may be used"
        )
    chosen = np.random.default_rng(config.evaluate.seed).permutation(len(found))[:wanted]
    return [found[at].worked for at in np.sort(chosen).tolist()]


def _load(config: EvaluateConfig, path: str, key: str, trained_on: TrainedOn) -> list[Problem]:
    if not path:
        raise InputError(f"{key}: is required by the task math")
    column = config.data.id_column
    rows = read_rows(
        path,
        ["question", "answer"],
        key=key,
        optional=[column],
        storage_options=config.data.storage_options,
    )
    problems = []
    for number, row in enumerate(rows):
        if not (isinstance(row["question"], str) and isinstance(row["answer"], str)):
            raise InputError(f"{key}: {path} row {number}: question and answer must be strings")
        problem = Problem(str(row.get(column, f"row {number}")), row["question"], row["answer"])
        identifier = None if row.get(column) is None else problem.id
        if not (trained_on(identifier, problem.worked) or trained_on(None, problem.question)):
            problems.append(problem)
    if not problems:
        raise InputError(f"{key}: {path}: holds no problem that may be used")
    return problems
