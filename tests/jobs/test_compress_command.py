"""The real command in its own process, on a Ray of its own."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobs.compress", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_compresses_quietly_and_says_where_the_result_is(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "in").mkdir()
    table = pa.table({"text": ["The quick brown fox jumps over the lazy dog."] * 10 + [None]})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    settings = [
        f"input.path={tmp_path}/in",
        f"output.path={tmp_path}/out",
        f"model.name={tiny_model}",
    ]

    done = run(*settings, "cluster.replicas=2", "cluster.rows_per_shard=4")

    assert done.returncode == 0, done.stderr
    noise = [line for line in done.stderr.splitlines() if "/11 rows (" not in line]
    assert noise == []  # the progress line shows every 30 s
    assert "rows        11 (10 ok, 1 empty, 0 error)" in done.stdout
    assert f"data        {tmp_path}/out" in done.stdout
    assert pq.read_table(tmp_path / "out").num_rows == 11

    refused = run(*settings, "cluster.rows_per_shard=4", "compression.rate=2")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: compression.rate: ")
    assert refused.stderr.count("\n") == 1
