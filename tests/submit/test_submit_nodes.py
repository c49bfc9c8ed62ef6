"""Several nodes for real: a job goes on while nodes are lost and others come."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from tests.pipeline.corpora import table
from tests.submit.local_cluster import (
    LocalCluster,
    client_environment,
    raylet,
    submit,
    submit_command,
)
from tests.submit.nodes import files_with_times, keys, until

pytestmark = pytest.mark.slow
Put = Callable[[str, pa.Table], None]
ROWS, SHARDS = 4_000, 200


@pytest.fixture
def three_nodes(s3_server: str, planted: dict[str, str]) -> Iterator[LocalCluster]:
    """A head without CPUs for replicas, and two workers."""
    environment = {**planted, "AWS_ENDPOINT_URL": s3_server}
    with LocalCluster(cpus=1, environment=environment) as cluster:
        for _ in range(2):
            cluster.add(cpus=1)
        yield cluster


def test_a_node_is_killed_and_another_comes(
    three_nodes: LocalCluster, bucket: str, put: Put, s3: Any
) -> None:
    """The job ends well, and what the lost node had finished stays as it was."""
    put("in/a.parquet", table(range(ROWS)))
    where = ["--address", three_nodes.address]
    job = subprocess.Popen(
        submit_command("refresh", *where, *keys(bucket), "cluster.replicas=[1,2]"),
        env=client_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: len(files_with_times(s3, bucket)) >= SHARDS // 4 or job.poll() is not None)
    before = files_with_times(s3, bucket)
    raylet(three_nodes.nodes[1]).kill()
    three_nodes.add(cpus=1)
    out, said = job.communicate(timeout=170)
    assert job.returncode == 0, out + said
    assert len(before) < SHARDS  # it was killed on the way
    after = files_with_times(s3, bucket)
    assert len(after) == SHARDS
    assert {name: after[name] for name in before} == before
    assert "version     0 published" in out
    assert f"{ROWS:,} compressed" in out
    checked = submit("verify", *where, f"s3://{bucket}/out")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{ROWS:,} rows" in checked.stdout


def test_of_two_refreshes_at_once_one_publishes(
    cluster: LocalCluster, bucket: str, put: Put, s3: Any
) -> None:
    """The other leaves with exit code 1, and has changed nothing."""
    put("in/a.parquet", table(range(160)))
    where = ["--address", cluster.address]
    both = [
        subprocess.Popen(
            submit_command("refresh", *where, *keys(bucket), "cluster.replicas=1"),
            env=client_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [(*job.communicate(timeout=170), job.returncode) for job in both]
    assert sorted(code for _, _, code in ended) == [0, 1], ended
    published = [out for out, _, _ in ended if "version     0 published" in out]
    assert len(published) == 1, ended
    log = s3.glob(f"{bucket}/out/_delta_log/*.json")
    assert len(log) == 1
    actions = [json.loads(line) for line in s3.cat_file(log[0]).splitlines()]
    assert sum("add" in action for action in actions) == 8
    (error,) = (said for _, said, code in ended if code == 1)
    assert error.startswith("error: "), ended
    checked = submit("verify", *where, f"s3://{bucket}/out")
    assert checked.returncode == 0, checked.stdout + checked.stderr
