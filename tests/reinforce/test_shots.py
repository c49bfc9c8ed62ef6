"""The pool: read, cleaned of what must not be learnt from, and posed from easy to hard."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.errors import InputError
from compressor.reader.prompts import final_answer
from compressor.reinforce.config import CurriculumSection
from compressor.reinforce.curriculum import by_difficulty, draw, open_share
from compressor.reinforce.shots import Shot, read_shots, told_anew, without_known
from tests.reinforce.conftest import make_shots, write_shots


def test_both_forms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "gsm.jsonl"
    rows = [
        {"id": "a", "question": " How many? ", "answer": "1 + 1 = 2\nso 2\n#### 2"},
        {"question": "how  MANY?", "answer": "3"},  # the same question again
        {"question": "And now?", "solution": "4", "answer": "5", "difficulty": 7, "steps": 3},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_shots([str(path)], key="data.pool") == [
        Shot("a", "How many?", "1 + 1 = 2\nso 2\n#### 2", difficulty=3, steps=2),
        Shot("row 2", "And now?", "4", difficulty=7, steps=3),
    ]
    table = tmp_path / "pool.parquet"
    pq.write_table(pa.table({"question": ["q"], "solution": ["s"], "id": [7]}), table)
    assert [shot.id for shot in read_shots([str(table)], key="data.pool")] == ["7"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "q"}, r"data\.pool: .*row 0: solution \(or answer\) must be text"),
        ({"question": " ", "solution": "s"}, r"row 0: question must be text"),
        ({"question": 3, "solution": "s"}, r"row 0: question must be text.*3"),
        ({"solution": "s"}, r":1: no field 'question'"),
        ({"question": "q", "solution": "s", "difficulty": "hard"}, r"difficulty must be a number"),
    ],
)
def test_bad_rows_are_named(row: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=message):
        read_shots([str(path)], key="data.pool")


def test_what_is_kept_for_an_evaluation_is_left_out_told_anew_too() -> None:
    shots = make_shots(12)
    first = shots[0].question
    anew = Shot("anew", first.replace("Ada", "Zoe").replace("now?", "today?"), "some")
    other = Shot("other", "A train leaves at nine and arrives at noon. How long does it go?", "3")
    assert without_known([shots[0], anew, other], [first.upper()]) == [other]
    assert told_anew(first, anew.question)
    assert not told_anew(first, other.question)
    assert without_known([other], []) == [other]


def test_easy_questions_come_first() -> None:
    shots = make_shots(20)
    order = by_difficulty(shots)
    levels = [(shots[at].difficulty, shots[at].steps) for at in order]
    assert levels == sorted(levels)
    section = CurriculumSection(first_share=0.2, widened_by=0.5)
    shares = [open_share(step / 100, section) for step in range(101)]
    assert shares[0] == 0.2
    assert shares[25] == pytest.approx(0.6)
    assert shares[50:] == [1.0] * 51
    assert shares == sorted(shares)
    assert open_share(0.0, CurriculumSection(first_share=1.0)) == 1
    early = {at for seed in range(30) for at in draw(order, 0.2, 3, np.random.default_rng(seed))}
    assert early == set(order[:4].tolist())


@given(st.integers(1, 30), st.floats(0.01, 1), st.integers(1, 8), st.integers(0, 99))
def test_draws_are_different_questions(size: int, share: float, count: int, seed: int) -> None:
    drawn = draw(np.arange(size), share, count, np.random.default_rng(seed))
    assert len(set(drawn)) == len(drawn) == min(count, size)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("3 + 4 = 7\n#### 7", 7),
        ("#### 1,250.5", 1250.5),
        ("So 3 of 9. The answer is $-4.", -4),
        ("It is 12 then 30 apples", 30),
        ("no number", None),
    ],
)
def test_final_answers(solution: str, answer: float | None) -> None:
    assert final_answer(solution) == answer


def test_files_are_written_as_they_are_read(tmp_path: Path) -> None:
    shots = make_shots(3)
    assert read_shots([str(write_shots(tmp_path / "p.jsonl", shots))], key="k") == shots
