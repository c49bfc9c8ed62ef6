"""`cluster.address=ray://...`: the job is started here and runs on a cluster of its own."""

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipeline.corpora import table, write_files
from tests.pipeline.nodes import wait_until
from tests.submit.local_cluster import ROOT, START_SECONDS, LocalCluster

pytestmark = pytest.mark.slow


def answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def test_compress_behind_a_remote_client(tmp_path: Path, tiny_model: Path) -> None:
    source, target = write_files(tmp_path / "in", [table(range(60))], group=10), tmp_path / "out"
    command = [
        *(sys.executable, "-m", "jobs.compress", f"input.path={source}", f"output.path={target}"),
        *(f"model.name={tiny_model}", "cluster.rows_per_shard=10"),
    ]
    with LocalCluster(cpus=3) as cluster:
        address = f"cluster.address={cluster.client}"
        host, port = cluster.client.removeprefix("ray://").split(":")
        wait_until(lambda: answers(host, int(port)), START_SECONDS)  # later than the dashboard
        done = subprocess.run(
            [*command, address],
            cwd=ROOT,
            env=cluster.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "60 (60 ok, 0 empty, 0 error)" in done.stdout
    assert sorted(pq.read_table(target)["id"].to_pylist()) == list(range(60))
