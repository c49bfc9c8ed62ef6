"""Nodes that are killed, drained and added half-way, of a cluster of real raylets.

Each worker node has a cache of its own, as machines have, and its replicas write down which shards
they begin: what a lost node costs is counted.
"""

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
import yaml

from tests.models.requests_log import Requests, logged
from tests.pipeline.corpora import table, write_files
from tests.pipeline.counted import LOG, SECONDS, CountedReplica, noted
from tests.pipeline.nodes import Job, wait_until

ROWS, PER_SHARD = 240, 5
SHARDS = ROWS // PER_SHARD
REPLICAS = 2  # of a node
# One that is compressed, one that waits at the replica, one that is being written.
IN_FLIGHT = 3 * REPLICAS

pytestmark = pytest.mark.slow


class Nodes:
    """A head without CPUs, and worker nodes that can be added and lost."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self._folder, self._count = folder, 0
        self.cluster: Any = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )

    def add(self, **resources: float) -> Any:
        self._count += 1
        cache = {"COMPRESSOR_CACHE": str(self._folder / f"node{self._count}")}
        return self.cluster.add_node(env_vars=cache, **{"num_cpus": REPLICAS, **resources})


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    monkeypatch.setenv(SECONDS, "0.5")
    monkeypatch.setenv("COMPRESSOR_CACHE", str(tmp_path / "driver"))
    monkeypatch.setattr("compressor.pipeline.flow.Replica", CountedReplica)
    return tmp_path / "log"


@pytest.fixture
def nodes(tmp_path: Path, log: Path) -> Iterator[Nodes]:
    import ray

    if ray.is_initialized():
        pytest.skip("wants a process without Ray: run this file by itself")
    nodes = Nodes(tmp_path)
    nodes.add()
    nodes.add()
    ray.init(address=nodes.cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()


@pytest.fixture
def job(tmp_path: Path, tiny_model: Path, nodes: Nodes) -> Job:
    source = write_files(tmp_path / "in", [table(range(ROWS))], group=PER_SHARD)
    settings = [
        *(f"model.name={tiny_model}", "model.dtype=float32", f"cluster.rows_per_shard={PER_SHARD}"),
        *(f"cluster.replicas=[{REPLICAS}, {2 * REPLICAS}]", "cluster.cpus_per_replica=1"),
    ]
    return Job(source, tmp_path / "out", *settings)


def check(job: Job, log: Path, before: dict[str, int]) -> None:
    """All rows are there once, what was written is untouched, what was begun again is bounded."""
    assert job.summary()["rows_by_status"] == {"ok": ROWS, "empty": 0, "error": 0}
    assert sorted(pq.read_table(job.target)["id"].to_pylist()) == list(range(ROWS))
    after = job.written()
    assert {name: after[name] for name in before} == before
    begun = noted(log, "begun")
    assert len(set(begun)) == SHARDS
    assert len(begun) <= SHARDS + IN_FLIGHT


def test_a_killed_node_costs_its_shards_in_flight(nodes: Nodes, job: Job, log: Path) -> None:
    lost = sorted(nodes.cluster.worker_nodes, key=lambda node: node.unique_id)[0]
    job.start()
    wait_until(lambda: len(job.written()) >= SHARDS // 4, 90)
    before = job.written()
    (raylet,) = lost.all_processes["raylet"]
    os.kill(raylet.process.pid, signal.SIGKILL)
    nodes.add()
    check(job, log, before)
    assert len(noted(log, "loaded")) > REPLICAS  # those that were lost, again


def test_a_drained_node_costs_no_more(nodes: Nodes, job: Job, log: Path) -> None:
    """As autoscalers and spot machines do it: a notice, a deadline, and then it is gone."""
    drained = sorted(nodes.cluster.worker_nodes, key=lambda node: node.unique_id)[0]
    job.start()
    wait_until(lambda: len(job.written()) >= SHARDS // 4, 90)
    before = job.written()
    drain(nodes.cluster.address, drained.node_id, seconds=4)
    nodes.add()
    time.sleep(5)
    (raylet,) = drained.all_processes["raylet"]
    os.kill(raylet.process.pid, signal.SIGKILL)  # the deadline is over
    check(job, log, before)


def drain(address: str, node: str, *, seconds: int) -> None:
    """What `ray drain-node` does, without a new process."""
    import ray
    from ray.core.generated import autoscaler_pb2

    internals: Any = ray._raylet
    messages: Any = autoscaler_pb2
    accepted, why = internals.GcsClient(address=address).drain_node(
        node,
        messages.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"),
        "spot machine",
        int((time.time() + seconds) * 1000),
    )
    assert accepted, why


def test_each_node_fetches_the_weights_once(
    tmp_path: Path, nodes: Nodes, tiny_model: Path, s3_server: str, s3_options: dict[str, Any]
) -> None:
    bucket = f"weights-{os.urandom(4).hex()}"
    filesystem = fsspec.filesystem("s3", **s3_options)
    filesystem.mkdir(bucket)
    for path in tiny_model.iterdir():
        filesystem.pipe_file(f"{bucket}/tiny/{path.name}", path.read_bytes())
    source, log = write_files(tmp_path / "in", [table(range(ROWS))], group=PER_SHARD), Requests()
    with logged(s3_server, log) as url:
        options = yaml.safe_dump({**s3_options, "endpoint_url": url}, default_flow_style=True)
        settings = [
            *(f"model.name=s3://{bucket}/tiny", f"input.storage_options={options}"),
            *(f"cluster.replicas={2 * REPLICAS}", "cluster.cpus_per_replica=1"),
            f"cluster.rows_per_shard={PER_SHARD}",
        ]
        job = Job(source, tmp_path / "out", *settings)
        job.start()
        assert job.summary()["rows_by_status"]["ok"] == ROWS
    files = sorted(path.name for path in tiny_model.iterdir())
    assert log.objects() == sorted(files * 3)  # the driver and two nodes
