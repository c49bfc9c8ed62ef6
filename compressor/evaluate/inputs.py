"""The data of an evaluation, read once for all tasks: questions, texts, and what is left out.

Rows whose id or text occurs in `evaluate.exclude` (what a model was trained on) ask nothing; their
passages may still be searched among.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from compressor.corpus.rows import Row, read_rows
from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.survival import holds_answer

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its accepted answers, and the passage that is to answer it."""

    id: str
    question: str
    answers: tuple[str, ...]
    text: str
    title: str = ""  # of the passage, where `retrieval.title_column` names a column of titles


class Inputs:
    """What the tasks are made from. `say` gets one line for everything that is left out."""

    def __init__(self, config: EvaluateConfig, say: Callable[[str], None]) -> None:
        self._config = config
        self.say = say

    def all_questions(self, task: str) -> list[Question]:
        """Every question of `data.path`. Raises `InputError` that says which task wants it."""
        if not self._config.data.path:
            raise InputError(f"data.path: is required by the task {task}")
        return self._all

    def questions(self, task: str) -> list[Question]:
        """Those that nothing was trained on."""
        self.all_questions(task)
        return self._fresh

    def answerable(self, task: str) -> list[Question]:
        """Those of them whose passage holds an answer, word for word after normalising."""
        found = [q for q in self.questions(task) if holds_answer(q.text, q.answers)]
        if not found:
            raise InputError(f"data.path: no passage holds an answer, so {task} has no items")
        return found

    def texts(self, path: str, column: str, *, key: str) -> list[str]:
        """The texts of a file that aren't blank and that nothing was trained on."""
        rows = self._read(path, [column], key=key, optional=[self._config.data.id_column])
        texts = [
            row[column]
            for row in rows
            if isinstance(row[column], str)
            and row[column].strip()
            and not self._trained_on(row, row[column])
        ]
        if not texts:
            raise InputError(f"{key}: {path}: no texts in {column!r} that may be used")
        if len(texts) < len(rows):
            self.say(f"{path}: {len(texts):,} texts; {len(rows) - len(texts):,} left out")
        return texts

    def drawn(self, items: Sequence[Item]) -> list[Item]:
        """At most `evaluate.limit` of the items, drawn with `evaluate.seed`, in order."""
        limit = self._config.evaluate.limit
        if limit is None or len(items) <= limit:
            return list(items)
        generator = np.random.default_rng(self._config.evaluate.seed)
        chosen = generator.permutation(len(items))[:limit]
        return [items[at] for at in np.sort(chosen).tolist()]

    def trained_on(self, identifier: str | None, text: str) -> bool:
        """Whether `evaluate.exclude` holds such an id or such a text (white space apart)."""
        ids, texts = self._excluded
        return (identifier is not None and identifier in ids) or _squeezed(text) in texts

    @property
    def excluded_texts(self) -> list[str]:
        """The texts of `evaluate.exclude`, white space squeezed, sorted."""
        return sorted(self._excluded[1])

    def _trained_on(self, row: Row, text: str) -> bool:
        identifier = row.get(self._config.data.id_column)
        return self.trained_on(None if identifier is None else str(identifier), text)

    @cached_property
    def _all(self) -> list[Question]:
        data, title = self._config.data, self._config.retrieval.title_column
        rows = self._read(
            data.path,
            [
                data.text_column,
                data.question_column,
                data.answers_column,
                *([title] if title else []),
            ],
            key="data.path",
            optional=[data.id_column],
        )
        return [self._question(row, number) for number, row in enumerate(rows)]

    @cached_property
    def _fresh(self) -> list[Question]:
        fresh = [q for q in self._all if not self.trained_on(q.id, q.text)]
        left_out = len(self._all) - len(fresh)
        if left_out:
            self.say(f"{left_out:,} of {len(self._all):,} questions left out: trained on")
        if not fresh:
            raise InputError("evaluate.exclude: leaves no question of data.path")
        return fresh

    def _question(self, row: Row, number: int) -> Question:
        data = self._config.data
        answers = row[data.answers_column]
        answers = [answers] if isinstance(answers, str) else answers
        for column in (data.text_column, data.question_column):
            if not isinstance(row[column], str):
                raise InputError(
                    f"data.path: {data.path} row {number}: {column!r} must be a string, "
                    f"got {row[column]!r:.40}"
                )
        if not isinstance(answers, list) or not all(isinstance(one, str) for one in answers):
            raise InputError(
                f"data.path: {data.path} row {number}: {data.answers_column!r} must be a list of "
                f"strings, got {answers!r:.40}"
            )
        identifier = row.get(data.id_column)
        return Question(
            id=f"row {number}" if identifier is None else str(identifier),
            question=row[data.question_column],
            answers=tuple(answers),
            text=row[data.text_column],
            title=str(row[title] or "") if (title := self._config.retrieval.title_column) else "",
        )

    @cached_property
    def _excluded(self) -> tuple[frozenset[str], frozenset[str]]:
        column = self._config.data.id_column
        rows = [
            row
            for path in self._config.evaluate.exclude
            for row in self._read(path, ["text"], key="evaluate.exclude", optional=[column])
        ]
        ids = frozenset(str(row[column]) for row in rows if row.get(column) is not None)
        return ids, frozenset(_squeezed(row["text"]) for row in rows if row["text"])

    def _read(self, path: str, columns: list[str], *, key: str, optional: list[str]) -> list[Row]:
        return read_rows(
            path,
            columns,
            key=key,
            optional=optional,
            storage_options=self._config.data.storage_options,
        )


def fingerprint(*parts: Any) -> str:
    """SHA-256 of anything that JSON can write, 32 hex digits: equal parts, equal fingerprint."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def fingerprint_of_questions(questions: Sequence[Question]) -> str:
    return fingerprint([astuple(question) for question in questions])


def _squeezed(text: str) -> str:
    return " ".join(text.split())
