"""A table in, the same table with our columns out, whatever its rows hold. No Ray, no storage.

Rows are questions, each to get a prompt, or the shots of a pool, each scored by itself. They go
block by block; where a block fails, its rows go one by one. A row that can't be used gets a status
and a reason, and the rest goes on.
"""

import itertools
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
ROWS_AT_ONCE = 64
Row = dict[str, Any]
Cell = str | UnicodeDecodeError | None


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

    def make(texts: Sequence[tuple[str, ...]]) -> list[Row]:
        questions = [question.strip() for (question,) in texts]
        near = pruner.nearest(questions, pool, candidates, apart=apart)
        return [
            {
                "pruned_shots": pruned.text,
                "shots_kept": len(pruned.shots),
                "original_tokens": pruned.whole_tokens,
                "compressed_tokens": pruned.tokens,
            }
            for question, nearest in zip(questions, near, strict=True)
            for pruned, _ in [pruner.for_question(question, pool, nearest, budget)]
        ]

    rows = made(make, [(question,) for question in texts_of(table.column(column))])
    return _append(table, rows, QUESTION_FIELDS)


def scored_shots(
    table: pa.Table, pruner: Pruner, *, question_column: str, solution_column: str
) -> tuple[pa.Table, Statistics]:
    """Append `SHOT_FIELDS` to a table of worked examples."""
    questions = texts_of(table.column(question_column))
    solutions = texts_of(table.column(solution_column))

    def make(texts: Sequence[tuple[str, ...]]) -> list[Row]:
        shots = [Shot("", question.strip(), solution.strip()) for question, solution in texts]
        return [
            {
                "pruned_shot": found.text,
                "keep_probability": found.probability,
                "original_tokens": found.whole_tokens,
                "compressed_tokens": found.tokens,
            }
            for found in pruner.score(shots)
        ]

    rows = made(make, list(zip(questions, solutions, strict=True)))
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


def made(
    make: Callable[[Sequence[tuple[str, ...]]], list[Row]], cells: Sequence[tuple[Cell, ...]]
) -> list[Row]:
    """What `make` makes of the texts of each row, with a status; where one can't be used, why."""
    rows: list[Row] = [{}] * len(cells)
    usable: dict[int, tuple[str, ...]] = {}
    for number, row in enumerate(cells):
        texts = tuple(text for text in row if isinstance(text, str) and text.strip())
        if len(texts) == len(row):
            usable[number] = texts
        else:
            rows[number] = _unusable(row)
    waiting = iter(usable.items())
    while some := list(itertools.islice(waiting, ROWS_AT_ONCE)):
        done = _guarded(make, [texts for _, texts in some])
        for (number, _), found in zip(some, done, strict=True):
            rows[number] = found
    return rows


def _unusable(row: Sequence[Cell]) -> Row:
    for text in row:
        if isinstance(text, UnicodeDecodeError):
            return {STATUS: FAILED, ERROR: f"not UTF-8: {text}"[:MESSAGE_LENGTH]}
    return {STATUS: EMPTY}


def _guarded(
    make: Callable[[Sequence[tuple[str, ...]]], list[Row]], texts: Sequence[tuple[str, ...]]
) -> list[Row]:
    try:
        return [{**row, STATUS: OK} for row in make(texts)]
    except Exception as error:  # whatever one row raises is that row's affair
        if len(texts) > 1:
            return [row for one in texts for row in _guarded(make, [one])]
        return [{STATUS: FAILED, ERROR: f"{type(error).__name__}: {error}"[:MESSAGE_LENGTH]}]


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
