"""The job's side of the benchmark: corpora, parts of its time, its processes' memory, its start."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from compressor.benchmark import startup
from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.jobparts import Ends, allocation, parts_of, time_ends
from compressor.benchmark.processes import Peaks, family, watched
from compressor.benchmark.rayjob import JobRun, job_config, write_corpus
from compressor.benchmark.scaling import records_of
from jobs.benchmark import main

ENGINE = {
    "tokenise": 1.0, "words": 1.0, "windows": 0.0, "forward": 9.0, "select": 1.0, "count": 0.5,
    "render": 0.5,
}  # fmt: skip
MEBI = 2**20


@pytest.mark.parametrize(("rows", "files"), [(1, 1), (10, 4), (40_000, 4), (140_000, 5)])
def test_a_corpus_has_its_rows_each_of_them_once(tmp_path: Path, rows: int, files: int) -> None:
    source = write_corpus(tmp_path / "corpus", ["one", "two", "three"], rows)
    table = pq.read_table(source)
    assert table.column("id").to_pylist() == list(range(rows))
    assert len(set(table.column("text").to_pylist())) == rows
    assert len(list(source.iterdir())) == files


def test_parts_of_a_job_add_up_to_its_wall_clock() -> None:
    run = JobRun(10, 2, 100, wall=30.0, span=20.0, model_seconds=24.0, replica_seconds=32.0,
                 peaks=Peaks())  # fmt: skip
    parts = parts_of(run, Ends(0.1, 1.0, 2.0), 2, ENGINE)
    assert parts == {
        "start and end": 10.0, "forward": 12.0, "prepare": 2.0, "finish": 2.0, "waiting": 4.0,
        "read, beside": 1.0, "write, beside": 2.0,
    }  # fmt: skip
    within = {name: part for name, part in parts.items() if "beside" not in name}
    assert sum(within.values()) == run.wall
    assert parts_of(run, Ends(0, 0, 0), 2, None)["prepare and finish"] == 4.0


def test_reading_and_writing_are_timed_on_the_files(tmp_path: Path, tiny_model: Path) -> None:
    config = BenchmarkConfig.model_validate({"model": {"name": str(tiny_model)}})
    source = write_corpus(tmp_path / "corpus", ["some text"], 50)
    compressed = tmp_path / "compressed"
    compressed.mkdir()
    done = pa.table({"text": ["some text"] * 50, "compressed_text": ["some"] * 50})
    pq.write_table(done, compressed / "shard.parquet")
    ends = time_ends(config, source, compressed)
    assert min(ends.plan, ends.read, ends.write) > 0
    assert pq.read_table(tmp_path / "again" / "shard.parquet").equals(done)


def test_replicas_share_the_cpus_of_this_machine() -> None:
    config = BenchmarkConfig.model_validate(
        {"cluster": {"replicas": 1, "gpus_per_replica": 0}, "model": {"device": "cpu"}}
    )
    assert allocation(config, shards=8).most == 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="wants Linux")
def test_the_memory_of_a_process_and_of_its_children_is_seen() -> None:
    child = f"import time; block = bytearray({200 * MEBI}); time.sleep(20)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            with watched(process.pid) as peaks:
                for _ in range(100):
                    time.sleep(0.1)
                    seen = peaks()
                    if len(family(process.pid)) == 2 and seen.driver and seen.largest_other:
                        break
            assert peaks().driver is not None
            assert (peaks().largest_other or 0) > 200 * MEBI > (peaks().driver or 0)
        finally:
            for one in family(process.pid)[1:]:
                subprocess.run(["kill", str(one)], check=False)
            process.kill()


def test_records_hold_all_words_in_order() -> None:
    words = [f"w{number}" for number in range(10)]
    for length in (1, 3, 10, 99):
        records = records_of(words, length)
        assert " ".join(records).split() == words
        assert all(len(record.split()) == length for record in records[:-1])


@pytest.mark.parametrize("step", ["import the engine", "load the model", "plan"])
def test_steps_of_the_start_run_alone(step: str, tmp_path: Path, tiny_model: Path) -> None:
    config = BenchmarkConfig.model_validate({"model": {"name": str(tiny_model)}})
    source = write_corpus(tmp_path / "few", ["some text"], 8)
    path = tmp_path / "few.yaml"
    path.write_text(json.dumps(job_config(config, source, tmp_path / "out").model_dump()))
    assert startup._seconds(step, startup.STEPS[step], path) > 0


@pytest.mark.slow
def test_everything_at_once(tiny_model: Path, tmp_path: Path) -> None:
    arguments = [
        f"model.name={tiny_model}",
        f"benchmark.output={tmp_path / 'out'}",
        "benchmark.passages=6",
        "benchmark.rounds=1",
        "benchmark.contenders=[engine]",
        "benchmark.job_repeat=3",
        "benchmark.curve=[10]",
        "benchmark.replicas=[1]",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert (written["job"]["rows"], written["curve"][0]["rows"]) == (18, 10)
    assert written["job"]["share_of_engine"] > 0
    assert 0 < written["job"]["model_seconds"][0] < written["job"]["span_seconds"][0]
    assert written["job"]["peak_memory_of_driver"] > 10 * MEBI
    assert written["job"]["peak_memory_of_replica"] > 10 * MEBI
    assert written["replicas"][0]["efficiency"] == 1.0
    assert written["startup"].keys() == {*startup.STEPS, startup.WHOLE}
    assert all(seconds > 0 for seconds in written["startup"].values())
    assert "| start Ray |" in result.stdout
