"""Blocks of rows give what single rows give; a row that fails fails alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from compressor.prune.pruner import Pruner
from compressor.prune.rows import ROWS_AT_ONCE, Cell, Row, made, prompts_for, scored_shots
from tests.reinforce.conftest import make_shots


@pytest.fixture(scope="module")
def pruner(policy_folder: Path) -> Pruner:
    return Pruner(str(policy_folder), device="cpu")


def test_a_row_that_fails_fails_alone() -> None:
    asked: list[int] = []

    def doubled(texts: Sequence[tuple[str, ...]]) -> list[Row]:
        asked.append(len(texts))
        return [{"twice": 2 * int(text)} for (text,) in texts]

    count = ROWS_AT_ONCE + 10
    cells: list[tuple[Cell, ...]] = [(str(number),) for number in range(count)]
    cells[3], cells[5], cells[7] = ("three",), (None,), (" \n",)
    cells[9] = (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),)
    rows = made(doubled, cells)
    assert [row["status"] for row in rows[:10]] == [
        *("ok", "ok", "ok", "error", "ok", "empty", "ok", "empty", "ok", "error")
    ]
    assert rows[3]["error"].startswith("ValueError: ")
    assert rows[9]["error"].startswith("not UTF-8: ")
    for number in (0, 1, 2, 4, 6, 8, *range(10, count)):
        assert rows[number] == {"twice": 2 * number, "status": "ok"}
    assert asked == [ROWS_AT_ONCE, *[1] * ROWS_AT_ONCE, count - ROWS_AT_ONCE - 3]


def test_shots_are_scored_together_as_one_by_one(pruner: Pruner) -> None:
    shots = make_shots(9)
    table = pa.table(
        {
            "question": [*(shot.question for shot in shots), None],
            "solution": [*(shot.solution for shot in shots), "1"],
        }
    )
    columns = {"question_column": "question", "solution_column": "solution"}
    together, counts = scored_shots(table, pruner, **columns)
    alone = pa.concat_tables(
        scored_shots(table.slice(row, 1), pruner, **columns)[0] for row in range(len(table))
    )
    chances = [some.column("keep_probability").to_pylist()[:-1] for some in (together, alone)]
    np.testing.assert_allclose(*chances, atol=1e-5)
    dropped = ["keep_probability"]
    assert together.drop_columns(dropped).equals(alone.drop_columns(dropped))
    assert (counts.ok, counts.empty, counts.error) == (9, 1, 0)


def test_questions_get_prompts_together_as_one_by_one(pruner: Pruner) -> None:
    pool = pruner.pool(make_shots(24))
    table = pa.table({"asked": [None, *(shot.question for shot in make_shots(30)[20:])]})
    together, counts = prompts_for(
        table, pruner, pool, column="asked", budget=120, candidates=10, apart=True
    )
    alone = pa.concat_tables(
        prompts_for(
            table.slice(row, 1), pruner, pool, column="asked", budget=120, candidates=10, apart=True
        )[0]
        for row in range(len(table))
    )
    assert together.equals(alone)
    assert (counts.ok, counts.empty, counts.error) == (10, 1, 0)
    assert together.schema.names[1:3] == ["pruned_shots", "shots_kept"]
