"""What goes wrong on purpose: rows that kill, models that don't load, too many errors, signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.errors import InputError, JobError
from compressor.pipeline import replica
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.replica import ModelSpec, load_patiently
from tests.pipeline.corpora import by_id, table, write_files
from tests.pipeline.fragile import COUNTER, POISON, HesitantReplica, PoisonedReplica

Job = Callable[..., dict[str, Any]]


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where fragile replicas count; workers started by then don't have the variable."""
    path = tmp_path / "counter"
    monkeypatch.setenv(COUNTER, str(path))
    return path


@pytest.fixture
def own_ray(counter: Path) -> Any:
    """A Ray whose workers have the environment of this test."""
    import ray

    if ray.is_initialized():
        pytest.skip("wants a process without Ray: run this file by itself")
    ray.init(
        "local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    yield
    ray.shutdown()


def run(source: Path, target: Path, model: Path, *settings: str) -> dict[str, Any]:
    from compressor.config import CompressConfig
    from compressor.pipeline.run import run as compress
    from compressor.schema import load

    overrides = [f"input.path={source}", f"output.path={target}", f"model.name={model}"]
    config = load(CompressConfig, None, [*overrides, "model.dtype=float32", *settings])
    return compress(config).summary


@pytest.mark.slow
def test_a_row_that_kills_its_process_is_isolated(
    tmp_path: Path,
    tiny_model: Path,
    own_ray: None,
    counter: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poisoned = table(range(60)).to_pylist()
    for at in (13, 14, 41):
        poisoned[at]["text"] = f"{POISON} {at}"
    source = write_files(tmp_path / "in", [pa.Table.from_pylist(poisoned)], group=20)
    run(write_files(tmp_path / "good", [table(range(60))], group=20), tmp_path / "all", tiny_model)
    monkeypatch.setattr("compressor.pipeline.flow.Replica", PoisonedReplica)

    summary = run(source, tmp_path / "out", tiny_model, "cluster.rows_per_shard=20")

    assert summary["rows_by_status"] == {"ok": 57, "empty": 0, "error": 3}
    rows, good = by_id(pq.read_table(tmp_path / "out")), by_id(pq.read_table(tmp_path / "all"))
    assert [row["id"] for row in rows if row["status"] == "error"] == [13, 14, 41]
    assert "SIGKILL" in rows[13]["error"]
    assert rows[13]["compressed_text"] is None
    assert all(
        mine == theirs for mine, theirs in zip(rows, good, strict=True) if mine["status"] == "ok"
    )
    assert counter.with_suffix(".deaths").stat().st_size < 30


@pytest.mark.slow
def test_a_model_that_loads_the_third_time(
    tmp_path: Path,
    tiny_model: Path,
    own_ray: None,
    counter: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("compressor.pipeline.flow.Replica", HesitantReplica)
    source = write_files(tmp_path / "in", [table(range(10))])
    summary = run(source, tmp_path / "out", tiny_model, "cluster.replicas=1")
    assert summary["rows_by_status"]["ok"] == 10
    assert counter.with_suffix(".loads").stat().st_size == 3


def test_loading_is_tried_again_unless_the_user_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "LOAD_WAIT_SECONDS", 0.0)
    calls: list[Exception] = []

    def failing(error: Exception, times: int) -> Callable[[ModelSpec], Any]:
        calls.clear()

        def loads(spec: ModelSpec) -> Any:
            if len(calls) < times:
                calls.append(error)
                raise error
            return "a model"

        return loads

    spec: Any = None
    assert load_patiently(failing(OSError("reset"), 2), spec) == "a model"
    with pytest.raises(OSError, match="reset"):
        load_patiently(failing(OSError("reset"), 3), spec)
    with pytest.raises(InputError):
        load_patiently(failing(InputError("no such model"), 1), spec)
    assert len(calls) == 1


def test_an_error_budget_is_a_number_of_rows() -> None:
    budget = ErrorBudget(0.25, rows=40, before=4)
    budget.check(6)
    with pytest.raises(JobError, match=r"11 of 40 rows have failed, .*max_error_rate=0\.25 "):
        budget.check(7)
    ErrorBudget(1.0, rows=3).check(3)


@pytest.mark.slow
def test_more_errors_than_allowed_stop_the_job(tmp_path: Path, compress: Job) -> None:
    rows = table(range(40)).append_column("r", pa.array([9.0] * 12 + [0.5] * 28))
    source = write_files(tmp_path / "in", [rows])
    settings = ["compression.rate_column=r", "cluster.rows_per_shard=7"]
    for form in ("delta", "parquet"):
        target = tmp_path / form
        asked = [*settings, f"output.format={form}"]
        with pytest.raises(JobError, match=r"of 40 rows have failed, .*max_error_rate=0\.2 "):
            compress(source, target, *asked, "output.max_error_rate=0.2")
        assert not (target / "_delta_log").exists()
        assert not (target / "_stats" / "summary.json").exists()
        summary = compress(source, target, *asked, "output.max_error_rate=0.3")
        assert summary["rows_by_status"]["error"] == 12
    with pytest.raises(JobError, match="12 of 40 rows have failed"):
        compress(source, tmp_path / "parquet", *settings, "output.max_error_rate=0.2")


def test_each_text_goes_through_the_model_once(tmp_path: Path, compress: Job) -> None:
    numbers = [number % 10 for number in range(60)]
    source = write_files(tmp_path / "in", [table(numbers)])
    settings = ["cluster.rows_per_shard=7", "cluster.replicas=1"]

    summary = compress(source, tmp_path / "out", *settings)

    assert summary["rows_with_the_text_of_another"] == 50
    assert summary["model_tokens"] * 6 == summary["original_tokens"]
    alone = compress(write_files(tmp_path / "one", [table(range(10))]), tmp_path / "single")
    assert summary["model_tokens"] == alone["original_tokens"]
    single = {row["id"]: row for row in pq.read_table(tmp_path / "single").to_pylist()}
    assert all(row == single[row["id"]] for row in pq.read_table(tmp_path / "out").to_pylist())


@pytest.mark.slow
def test_sigterm_ends_the_job_and_a_rerun_completes_it(tmp_path: Path, tiny_model: Path) -> None:
    source = write_files(tmp_path / "in", [table(range(4000))], group=20)
    target = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "jobs.compress", f"input.path={source}", f"output.path={target}"),
        *(f"model.name={tiny_model}", "cluster.rows_per_shard=20"),
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    wait_for(lambda: len(list(target.glob("*.parquet"))) >= 3, process)
    process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    _, said = process.communicate(timeout=60)

    assert time.monotonic() - told < 30
    assert process.returncode == 143
    assert said.splitlines()[-1].endswith(" are done and kept; the same command does the rest")
    done = {path.name: path.stat().st_mtime_ns for path in target.glob("*.parquet")}
    assert 3 <= len(done) < 200
    assert not (target / "_stats" / "summary.json").exists()
    again = subprocess.run(command, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert len(pq.read_table(target)) == 4000
    assert all((target / name).stat().st_mtime_ns == at for name, at in done.items())


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, "the job ended by itself"
        time.sleep(0.1)
    pytest.fail("nothing happens")
