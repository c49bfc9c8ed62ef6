"""Worked examples ("shots"): from files to a pool, without what must not be learnt from.

In: JSON lines or Parquet with `question` and `solution` (or `answer`, the solution with its final
number), optionally `id`, `difficulty` (1-10) and `steps`. Out: `Shot`s in the order of the files.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from compressor.corpus.rows import Row, read_rows
from compressor.errors import InputError
from compressor.evaluate.overlap import grams
from compressor.reader.prompts import QUESTION, worked

_SHARE = 0.5
"""Of the 6-grams of a question: a problem told anew shares at least so much with its first form."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A problem and its solution. difficulty, steps: how hard it is, for the curriculum."""

    id: str
    question: str
    solution: str
    difficulty: float = 0.0
    steps: int = 0

    @property
    def text(self) -> str:
        """As it stands in a prompt."""
        return worked(self.question, self.solution)

    @property
    def question_end(self) -> int:
        """Characters of `text` up to the end of the question."""
        return len(QUESTION) + len(self.question)


def read_shots(
    paths: Sequence[str], *, key: str, storage_options: dict[str, Any] | None = None
) -> list[Shot]:
    """The shots of all files, each question once. Raises `InputError` that names file and row.

    Without `steps` these are the lines of the solution; without `difficulty` it is one more.
    """
    shots: dict[str, Shot] = {}
    for path in paths:
        rows = read_rows(
            path,
            ["question"],
            key=key,
            optional=["solution", "answer", "id", "difficulty", "steps"],
            storage_options=storage_options,
        )
        for number, row in enumerate(rows):
            shot = _shot(row, number, f"{key}: {path} row {number}")
            shots.setdefault(_squeezed(shot.question), shot)
    return list(shots.values())


def without_known(shots: Sequence[Shot], known: Iterable[str]) -> list[Shot]:
    """The shots whose question is none of the `known` ones, nor one of them told anew."""
    known = list(known)
    same = {_squeezed(question) for question in known}
    every: dict[tuple[str, ...], list[int]] = {}
    for number, question in enumerate(known):
        for gram in grams(question):
            every.setdefault(gram, []).append(number)
    left = []
    for shot in shots:
        own = grams(shot.question)
        hits: dict[int, int] = {}
        for gram in own:
            for number in every.get(gram, ()):
                hits[number] = hits.get(number, 0) + 1
        told_anew = max(hits.values(), default=0) >= _SHARE * max(1, len(own))
        if _squeezed(shot.question) not in same and not told_anew:
            left.append(shot)
    return left


def told_anew(one: str, other: str) -> bool:
    """Whether two questions are the same, or share half of the shorter one's 6-grams."""
    a, b = grams(one), grams(other)
    shared = len(a & b)
    return _squeezed(one) == _squeezed(other) or (
        shared > 0 and shared >= _SHARE * min(len(a), len(b))
    )


def _shot(row: Row, number: int, where: str) -> Shot:
    solution = row.get("solution")
    if solution is None:
        solution = row.get("answer")
    question = row["question"]
    for name, value in (("question", question), ("solution (or answer)", solution)):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{where}: {name} must be text that isn't blank, got {value!r:.40}")
    question, solution = str(question), str(solution)
    steps = row.get("steps")
    steps = _lines(solution) if steps is None else _number(steps, f"{where}: steps")
    given = row.get("difficulty")
    difficulty = steps + 1.0 if given is None else _number(given, f"{where}: difficulty")
    identifier = row.get("id")
    name = f"row {number}" if identifier is None else str(identifier)
    return Shot(name, question.strip(), solution.strip(), float(difficulty), int(steps))


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InputError(f"{where} must be a number, got {value!r:.40}")
    return value


def _lines(solution: str) -> int:
    """Steps of a solution in lines, the line of its final answer left out."""
    lines = [line for line in solution.splitlines() if line.strip()]
    return sum(not line.startswith("####") for line in lines)


def _squeezed(text: str) -> str:
    return " ".join(text.lower().split())
