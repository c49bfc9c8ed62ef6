"""Evaluation data: read from any form and place, rows that were trained on left out."""

import gzip
import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.corpus.rows import read_rows
from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.inputs import Inputs
from compressor.schema import load
from tests.evaluate.questions import ROWS, write_lines

COLUMNS = ["text", "answers"]


def inputs(*settings: str, said: list[str] | None = None) -> Inputs:
    config = load(EvaluateConfig, None, ["output.path=x", *settings])
    return Inputs(config, ([] if said is None else said).append)


def test_every_form_gives_the_same_rows(
    tmp_path: Path, s3_options: dict[str, Any], s3_server: str
) -> None:
    lines = write_lines(tmp_path / "rows.jsonl", ROWS)
    zipped = tmp_path / "rows.jsonl.gz"
    zipped.write_bytes(gzip.compress(lines.read_bytes() + b"\n\n"))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("questions")
    storage.put(str(zipped), "questions/rows.jsonl.gz")
    storage.put(str(tmp_path / "rows.parquet"), "questions/rows.parquet")
    expected = [{name: row[name] for name in (*COLUMNS, "id")} for row in ROWS]
    for path, options in (
        (lines, {}),
        (zipped, {}),
        (tmp_path / "rows.parquet", {}),
        ("s3://questions/rows.jsonl.gz", s3_options),
        ("s3://questions/rows.parquet", s3_options),
    ):
        found = read_rows(
            str(path), COLUMNS, key="data.path", optional=["id", "none"], storage_options=options
        )
        assert found == expected, path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"text": "a", "answers": []}\n{"text": ', ":2: not JSON"),
        ('["text"]', ":1: wants a JSON object"),
        ('{"text": "a"}', ":1: no field 'answers'; there are text"),
        ("\n\n", "holds no rows"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"data\.path: .*{reason}"):
        read_rows(str(path), COLUMNS, key="data.path")


def test_missing_files_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.path: .*no such file"):
        read_rows(str(tmp_path / "rows.jsonl"), COLUMNS, key="data.path")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=r"rows\.parquet: no column 'answers'; there are text"):
        read_rows(str(tmp_path), COLUMNS, key="data.path")


def test_rows_that_were_trained_on_are_left_out(tmp_path: Path) -> None:
    questions = write_lines(tmp_path / "questions.jsonl", ROWS)
    by_id = write_lines(tmp_path / "a.jsonl", [{"id": "moon", "text": "anything"}])
    by_text = write_lines(tmp_path / "b.jsonl", [{"text": f"  {ROWS[0]['text']}\n"}])
    said: list[str] = []
    found = inputs(f"data.path={questions}", f"evaluate.exclude=[{by_id}, {by_text}]", said=said)
    left = [row["id"] for row in ROWS if row["id"] not in {"moon", "crew"}]
    assert [question.id for question in found.questions("survival")] == left
    assert said == ["2 of 6 questions left out: trained on"]
    assert len(found.all_questions("retrieval")) == 6
    assert [q.id for q in found.answerable("survival")] == [i for i in left if i != "unanswered"]
    texts = found.texts(str(questions), "text", key="facts.path")
    assert texts == [row["text"] for row in ROWS if row["id"] in left]


def test_a_row_without_id_is_not_left_out_by_its_number(tmp_path: Path) -> None:
    row = {name: value for name, value in ROWS[0].items() if name != "id"}
    questions = write_lines(tmp_path / "questions.jsonl", [row])
    excluded = write_lines(tmp_path / "excluded.jsonl", [{"id": "0", "text": "x"}])
    found = inputs(f"data.path={questions}", f"evaluate.exclude=[{excluded}]")
    assert [question.id for question in found.questions("facts")] == ["row 0"]


def test_a_sample_is_the_seeds_and_in_order(tmp_path: Path) -> None:
    drawn = [
        inputs("evaluate.limit=5", f"evaluate.seed={seed}").drawn(range(99)) for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(set(drawn[0]))
    assert len(drawn[0]) == 5
    assert inputs().drawn(range(9)) == list(range(9))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answers": [1]}, "row 0: 'answers' must be a list of strings"),
        ({"text": None}, "row 0: 'text' must be a string"),
        ({"answers": "zebra"}, "no passage holds an answer"),
    ],
)
def test_rows_that_are_no_questions(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(ROWS[0] | change))
    with pytest.raises(InputError, match=rf"data\.path: .*{reason}"):
        inputs(f"data.path={path}").answerable("survival")


def test_the_task_that_wants_questions_is_named() -> None:
    with pytest.raises(InputError, match=r"data\.path: is required by the task retrieval"):
        inputs().questions("retrieval")
