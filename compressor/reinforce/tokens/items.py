"""Passages to compress, each with what the judge is to say after it: an answer, or what follows.

In: files of questions with answers and a passage, and files of any texts, which are cut into
passages with their continuations. Out: `Item`s; those of one text are learnt from or held out
together.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compressor.corpus.rows import Row, read_rows
from compressor.engine.subwords import TokenCounter
from compressor.errors import InputError
from compressor.evaluate.survival import holds_answer
from compressor.evaluate.tasks.recovery import reading_prompt
from compressor.reinforce.tokens.config import PassagesSection

ANSWER, CONTINUATION = "answer", "continuation"
_LEAST_TOKENS = 8
"""Of a passage: a shorter one has too few words to choose among."""
_BLANK = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Item:
    """A passage, and what is wanted after it.

    source: the text that it stands in; question: None where `wanted` is what follows the passage.
    """

    source: str
    text: str
    question: str | None
    wanted: str

    @property
    def kind(self) -> str:
        return CONTINUATION if self.question is None else ANSWER

    def prompt(self, context: str) -> str:
        """What the judge reads before `wanted`; a blank context is none.

        Of an answer this is what the job `evaluate` has its reader read.
        """
        if self.question is not None:
            return reading_prompt(context, self.question)
        return f"Context: {context}\n\nText:" if context.strip() else "Text:"


class Excluded:
    """Texts of an evaluation: nothing is learnt from rows with such an id or text."""

    def __init__(
        self, paths: Iterable[str], section: PassagesSection, options: dict[str, Any]
    ) -> None:
        rows = [
            row
            for path in paths
            for row in read_rows(
                path,
                [section.text_column],
                key="data.exclude",
                optional=[section.id_column],
                storage_options=options,
            )
        ]
        names = (row.get(section.id_column) for row in rows)
        self._ids = {str(name) for name in names if name is not None}
        self._texts = {_squeezed(str(row[section.text_column] or "")) for row in rows}

    def has(self, identifier: Any, text: str) -> bool:
        known = identifier is not None and str(identifier) in self._ids
        return known or _squeezed(text) in self._texts


def read_pairs(
    section: PassagesSection, excluded: Excluded, tokenizer: TokenCounter, options: dict[str, Any]
) -> list[Item]:
    """The pairs whose passage holds an answer, word for word, and isn't too long or too short.

    Raises `InputError` that names file and row for what is of the wrong type.
    """
    columns = [section.text_column, section.question_column, section.answers_column]
    found = []
    for row, where in _rows(section.pairs, columns, section, options, "passages.pairs"):
        text, question, answers = (row[column] for column in columns)
        answers = [answers] if isinstance(answers, str) else answers
        if not isinstance(text, str) or not isinstance(question, str):
            raise InputError(f"{where}: {columns[0]} and {columns[1]} must be strings")
        if not isinstance(answers, list) or not all(isinstance(one, str) for one in answers):
            raise InputError(f"{where}: {columns[2]} must be strings, got {answers!r:.40}")
        held = next((answer for answer in answers if holds_answer(text, [answer])), None)
        if held is not None and not excluded.has(row.get(section.id_column), text):
            found.append(Item(_squeezed(text), text, question, held))
    return _of_length(found, tokenizer, section.max_tokens)


def read_texts(
    section: PassagesSection, excluded: Excluded, tokenizer: TokenCounter, options: dict[str, Any]
) -> list[Item]:
    """The texts, cut into passages with their continuations. Raises `InputError` as above."""
    found = []
    for row, where in _rows(
        section.texts, [section.text_column], section, options, "passages.texts"
    ):
        text = row[section.text_column]
        if not isinstance(text, str | None):
            raise InputError(f"{where}: {section.text_column} must be a string, got {text!r:.40}")
        if text and not excluded.has(row.get(section.id_column), text):
            found += cut(
                text, tokenizer, passage=section.passage_tokens, behind=section.continuation_tokens
            )
    return _of_length(found, tokenizer, section.passage_tokens + section.continuation_tokens)


def cut(text: str, tokenizer: TokenCounter, *, passage: int, behind: int) -> list[Item]:
    """Passages of about `passage` tokens, one after the other, each followed by `behind` more.

    Cut at white space; a last passage may be shorter, down to twice its continuation.
    """
    starts = tokenizer.encode([text]).start
    edges = [0, *(match.start() for match in _BLANK.finditer(text)), len(text)]

    def place(token: int) -> int:
        """The first blank at or behind the beginning of a token."""
        at = int(starts[token]) if token < len(starts) else len(text)
        return edges[int(np.searchsorted(edges, at))]

    items = []
    for first in range(0, len(starts), passage + behind):
        last = min(first + passage + behind, len(starts))
        if last - first < 3 * behind:
            break
        begin, middle, end = place(first) if first else 0, place(last - behind), place(last)
        item = Item(_squeezed(text), text[begin:middle].strip(), None, text[middle:end].strip())
        if item.text and item.wanted:
            items.append(item)
    return items


def _rows(
    paths: Sequence[str],
    columns: list[str],
    section: PassagesSection,
    options: dict[str, Any],
    key: str,
) -> Iterable[tuple[Row, str]]:
    for path in paths:
        rows = read_rows(
            path, columns, key=key, optional=[section.id_column], storage_options=options
        )
        for number, row in enumerate(rows):
            yield row, f"{key}: {path} row {number}"


def _of_length(items: Sequence[Item], tokenizer: TokenCounter, most: int) -> list[Item]:
    tokens = tokenizer.count([item.text for item in items]).tolist() if items else []
    fits = (_LEAST_TOKENS <= size <= most for size in tokens)
    return [item for item, good in zip(items, fits, strict=True) if good]


def _squeezed(text: str) -> str:
    return " ".join(text.split())
