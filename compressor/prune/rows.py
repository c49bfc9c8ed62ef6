"""A table in, the same table with our columns out, whatever its rows hold. No Ray, no storage.

Rows are questions, each to get a prompt, or the shots of a pool, each scored by itself. A row that
can't be used gets a status and a reason, and the rest goes on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from compressor.corpus.columns import EMPTY, ERROR, FAILED, OK, STATUS
from compressor.pipeline.rows import MESSAGE_LENGTH, texts_of
from compressor.pipeline.statistics import Statistics, rate_histogram
from compressor.prune.pruner import Pruner
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot

TOKENS = [pa.field("original_tokens", pa.int32()), pa.field("compressed_tokens", pa.int32())]
ENDS = [pa.field(STATUS, pa.string()), pa.field(ERROR, pa.string())]
QUESTION_FIELDS = [
    pa.field("pruned_shots", pa.string()),
    pa.field("shots_kept", pa.int32()),
    *TOKENS,
    *ENDS,
]
"""Of a question: its prompt (the examples alone), how many are in it, their tokens as they were and
as they are."""
SHOT_FIELDS = [
    pa.field("pruned_shot", pa.string()),
    pa.field("keep_probability", pa.float32()),
    *TOKENS,
    *ENDS,
]
Row = dict[str, Any]


def prompts_for(
    table: pa.Table,
    pruner: Pruner,
    pool: Pool,
    *,
    column: str,
    budget: int,
    candidates: int,
    apart: bool,
) -> tuple[pa.Table, Statistics]:
    """Append `QUESTION_FIELDS` to a table of questions."""

    def make(asked: str) -> Row:
        question = asked.strip()
        nearest = pruner.nearest(question, pool, candidates, apart=apart)
        pruned, _ = pruner.for_question(question, pool, nearest, budget)
        return {
            "pruned_shots": pruned.text,
            "shots_kept": len(pruned.shots),
            "original_tokens": pruned.whole_tokens,
            "compressed_tokens": pruned.tokens,
        }

    rows = [_guarded(make, question) for question in texts_of(table.column(column))]
    return _append(table, rows, QUESTION_FIELDS)


def scored_shots(
    table: pa.Table, pruner: Pruner, *, question_column: str, solution_column: str
) -> tuple[pa.Table, Statistics]:
    """Append `SHOT_FIELDS` to a table of worked examples."""
    questions = texts_of(table.column(question_column))
    solutions = texts_of(table.column(solution_column))

    def make(question: str, solution: str) -> Row:
        (found,) = pruner.score([Shot("", question.strip(), solution.strip())])
        return {
            "pruned_shot": found.text,
            "keep_probability": found.probability,
            "original_tokens": found.whole_tokens,
            "compressed_tokens": found.tokens,
        }

    rows = [_guarded(make, *pair) for pair in zip(questions, solutions, strict=True)]
    return _append(table, rows, SHOT_FIELDS)


def shots_of(table: pa.Table, question_column: str, solution_column: str) -> list[Shot]:
    """The rows that are worked examples; blank and unreadable ones are left out."""
    pairs = zip(
        texts_of(table.column(question_column)),
        texts_of(table.column(solution_column)),
        strict=True,
    )
    return [
        Shot(f"row {number}", question.strip(), solution.strip())
        for number, (question, solution) in enumerate(pairs)
        if isinstance(question, str) and isinstance(solution, str)
        if question.strip() and solution.strip()
    ]


def _guarded(make: Callable[..., Row], *texts: str | UnicodeDecodeError | None) -> Row:
    for text in texts:
        if isinstance(text, UnicodeDecodeError):
            return {STATUS: FAILED, ERROR: f"not UTF-8: {text}"[:MESSAGE_LENGTH]}
        if text is None or not text.strip():
            return {STATUS: EMPTY}
    try:
        return {**make(*texts), STATUS: OK}
    except Exception as error:  # whatever one row raises is that row's affair
        return {STATUS: FAILED, ERROR: f"{type(error).__name__}: {error}"[:MESSAGE_LENGTH]}


def _append(
    table: pa.Table, rows: Sequence[Row], fields: Sequence[pa.Field]
) -> tuple[pa.Table, Statistics]:
    for field in fields:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_integer(field.type):
            values = [0 if value is None else value for value in values]
        table = table.append_column(field, pa.array(values, field.type))
    statuses = [row[STATUS] for row in rows]
    before = [int(row.get("original_tokens", 0)) for row in rows]
    after = [int(row.get("compressed_tokens", 0)) for row in rows]
    return table, Statistics(
        rows=len(rows),
        ok=statuses.count(OK),
        empty=statuses.count(EMPTY),
        error=statuses.count(FAILED),
        original_tokens=sum(before),
        compressed_tokens=sum(after),
        rates=rate_histogram(before, after),
    )
