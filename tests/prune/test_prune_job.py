"""The job `prune_shots` from Parquet to prompts, on a real Ray."""

import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from compressor.errors import InputError
from compressor.prune.config import PruneConfig
from compressor.prune.run import PROMPT_TABLE, PROMPT_TEXT, run
from compressor.reader.loading import load_counter_of
from compressor.report.align import kept_spans
from compressor.schema import load
from tests.prune.conftest import write_pool
from tests.reinforce.conftest import make_shots

BUDGET = 160
QUESTIONS = [
    "Ada has 3 dogs and buys 4 more of them. How many dogs does Ada have?",
    None,
    "How many eggs are 5 eggs and 6 eggs?",
    "  ",
    make_shots(1)[0].question,
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool") / "shots", 24)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked") / "questions"
    folder.mkdir()
    table = pa.table({"asked": QUESTIONS, "number": pa.array(range(5), pa.uint16())})
    pq.write_table(table, folder / "a.parquet", row_group_size=2)
    return folder


def settings(pool: Any, policy: Path, target: Any, *more: str) -> list[str]:
    return [
        f"pool.path={pool}",
        f"policy.path={policy}",
        "policy.device=cpu",
        f"output.path={target}",
        f"prompt.budget={BUDGET}",
        "prompt.candidates=8",
        "cluster.replicas=2",
        "cluster.cpus_per_replica=1",
        *more,
    ]


def prune(*overrides: str) -> dict[str, Any]:
    return run(load(PruneConfig, None, list(overrides))).summary


@pytest.mark.slow
def test_each_question_gets_its_prompt(
    pool: Path,
    questions: Path,
    policy_folder: Path,
    counter_folder: Path,
    tmp_path: Path,
    ray_session: None,
) -> None:
    target = tmp_path / "prompts"
    overrides = settings(
        pool,
        policy_folder,
        target,
        f"questions.path={questions}",
        "questions.question_column=asked",
        "cluster.rows_per_shard=2",
    )
    summary = prune(*overrides)
    table = pq.read_table(target)
    before = pq.read_table(questions)
    assert table.select(before.schema.names).equals(before)
    assert table.column("status").to_pylist() == ["ok", "empty", "ok", "empty", "ok"]
    assert summary["rows_by_status"] == {"ok": 3, "empty": 2, "error": 0}
    counter = load_counter_of(str(counter_folder))
    texts = {shot.text for shot in make_shots(24)}
    for row in table.to_pylist():
        if row["status"] == "empty":
            assert row["pruned_shots"] is None
            continue
        prompt = row["pruned_shots"]
        assert int(counter.count([prompt])[0]) == row["compressed_tokens"] <= BUDGET
        assert row["compressed_tokens"] > BUDGET - 12
        assert row["original_tokens"] > row["compressed_tokens"]
        parts = prompt.split("\n\n")
        assert len(parts) == row["shots_kept"]
        assert all(any(kept_spans(text, part) for text in texts) for part in parts)
    # Its own example isn't shown to the last question.
    assert make_shots(1)[0].solution not in table.column("pruned_shots")[4].as_py()
    # Resume: what is there stays, what is lost comes back the same.
    files = {path.name: path.read_bytes() for path in target.glob("*.parquet")}
    assert len(files) == 3
    lost = sorted(files)[1]
    (target / lost).unlink()
    times = {path.name: path.stat().st_mtime_ns for path in target.glob("*.parquet")}
    prune(*overrides)
    assert {path.name: path.read_bytes() for path in target.glob("*.parquet")} == files
    for path in target.glob("*.parquet"):
        assert path.name == lost or path.stat().st_mtime_ns == times[path.name]
    with pytest.raises(InputError, match=r"output\.path: .*not empty \(written with .*budget=160"):
        prune(*overrides, "prompt.budget=99")


def test_a_pool_becomes_one_prompt_for_all(
    pool: Path,
    policy_folder: Path,
    counter_folder: Path,
    tmp_path: Path,
    s3_options: dict[str, Any],
    ray_session: None,
) -> None:
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("shots")
    target = "s3://shots/pruned"
    options = f"output.storage_options={json.dumps(s3_options)}"
    summary = prune(*settings(pool, policy_folder, target, options, "cluster.rows_per_shard=12"))
    table = pq.read_table("shots/pruned", filesystem=storage)
    assert table.num_rows == 24
    assert table.schema.field("level").type == pa.int8()
    chances = np.array(table.column("keep_probability").to_pylist())
    assert ((chances > 0) & (chances < 1)).all()
    assert len(set(chances.tolist())) > 10
    prompt = storage.cat_file(f"shots/pruned/{PROMPT_TEXT}").decode()
    (row,) = pq.read_table(f"shots/pruned/{PROMPT_TABLE}", filesystem=storage).to_pylist()
    assert row["pruned_shots"] == prompt
    counter = load_counter_of(str(counter_folder))
    assert int(counter.count([prompt])[0]) == row["compressed_tokens"] <= BUDGET
    assert summary["prompt"]["shots_kept"] == len(prompt.split("\n\n")) > 1
    best = table.column("solution")[int(chances.argmax())].as_py().splitlines()[-1]
    assert best in prompt


def test_rows_that_are_no_examples_don_t_end_the_job(
    policy_folder: Path, tmp_path: Path, ray_session: None
) -> None:
    shots = make_shots(10)
    path = tmp_path / "pool.parquet"
    odd: list[str | None] = [None, "", "\x00\u200d"]
    table = pa.table(
        {
            "question": [*(shot.question for shot in shots), *odd],
            "solution": [*(shot.solution for shot in shots), "s", "s", "s"],
        }
    )
    pq.write_table(table, path)
    summary = prune(*settings(path, policy_folder, tmp_path / "out"))
    assert summary["rows"] == 13
    assert summary["rows_by_status"]["empty"] == 2
    assert summary["rows_by_status"]["error"] == 0


def test_an_empty_input_gives_an_empty_output(
    pool: Path, policy_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "none.parquet"
    pq.write_table(pa.table({"question": pa.array([], pa.string())}), path)
    target = tmp_path / "out"
    summary = prune(*settings(pool, policy_folder, target, f"questions.path={path}"))
    assert summary["rows"] == 0
    assert pq.read_table(target).schema.names[:2] == ["question", "pruned_shots"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pool.path=missing", r"pool\.path: .*missing: no such file"),
        ("pool.path=''", r"pool\.path: is required"),
        ("policy.path=missing", r"policy\.path: .*missing"),
        ("pool.solution_column=worked", r"pool\.solution_column: .*no column 'worked'"),
        ("pool.question_column=level", r"pool\.question_column: 'level' is int8, not text"),
        ("questions.path=missing", r"questions\.path: .*missing: no such file"),
        ("prompt.budget=0", r"prompt\.budget: .*greater than or equal to 1"),
    ],
)
def test_bad_input_is_said_in_one_line(
    override: str, message: str, pool: Path, policy_folder: Path, tmp_path: Path
) -> None:
    from jobs.prune_shots import main

    overrides = settings(pool, policy_folder, tmp_path / "out", override)
    with pytest.raises(InputError, match=message):
        prune(*overrides)
    result = CliRunner().invoke(main, overrides)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def test_the_output_may_not_lie_in_the_pool(pool: Path, policy_folder: Path) -> None:
    with pytest.raises(InputError, match=r"output\.path: .*lies in pool\.path"):
        prune(*settings(pool, policy_folder, pool / "out"))


def test_another_encoder_is_refused(
    pool: Path, policy_folder: Path, tmp_path: Path, ray_session: None
) -> None:
    overrides = settings(pool, policy_folder, tmp_path / "out", "policy.encoder=default")
    with pytest.raises(InputError, match=r"policy\.encoder: default is not the encoder"):
        prune(*overrides)
