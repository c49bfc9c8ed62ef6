"""Room on nodes that aren't there yet: Ray's real autoscaler brings them, or says that it can't."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compressor.config import ClusterSection
from compressor.errors import InputError
from compressor.pipeline.autoscaler import Growth, growth
from compressor.pipeline.await_nodes import allocation_on
from compressor.pipeline.resources import Allocation, Node
from compressor.pipeline.session import alive_nodes
from tests.pipeline.autoscaling import autoscaling_cluster
from tests.pipeline.corpora import table, write_files
from tests.pipeline.counted import LOG, SECONDS, CountedReplica, noted
from tests.pipeline.nodes import Job, wait_until

WITHIN = 60.0  # seconds in which bad input must be told


def asked(shards: int = 100, device: str = "auto", **keys: Any) -> Allocation:
    return allocation_on(ClusterSection(**keys), alive_nodes(), device=device, shards=shards)


def test_a_cluster_that_does_not_grow_refuses_at_once(ray_session: None) -> None:
    assert growth() == Growth(possible=False)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"cuda is asked for, but no node .* has a GPU$"):
        asked(device="cuda")
    with pytest.raises(InputError, match=r"5 with 1 CPUs each .* has room for 4; lower"):
        asked(replicas=[5, 8], cpus_per_replica=1)
    with pytest.raises(InputError, match=r"1 CPUs and 1 GPUs each .* 0 GPUs"):
        asked(gpus_per_replica=1)
    assert time.monotonic() - started < 10


@pytest.fixture
def autoscaling(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Only a head without CPUs; two nodes with 2 CPUs, and one with a GPU, may come.

    The parameter, where there is one, is the autoscaler's environment.
    """
    import ray

    if ray.is_initialized():
        pytest.skip("wants a process without Ray: run this file by itself")
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    monkeypatch.setenv(SECONDS, "1")
    monkeypatch.setattr("compressor.pipeline.flow.Replica", CountedReplica)
    groups = {"cpu": ({"CPU": 2}, 2), "gpu": ({"CPU": 4, "GPU": 1}, 1)}
    with autoscaling_cluster(groups, environment=getattr(request, "param", {})) as address:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown()


@pytest.mark.slow
def test_what_can_never_come_is_refused_within_a_minute(autoscaling: None) -> None:
    for keys in (
        {"replicas": 2, "gpus_per_replica": 1},  # only one comes
        {"replicas": [4, 5], "cpus_per_replica": 4},
        {"replicas": [1, 2], "cpus_per_replica": 5},
    ):
        started = time.monotonic()
        with pytest.raises(
            InputError, match=r"no node .* has a CPU.*autoscaler has no node for it"
        ):
            asked(**keys)
        assert time.monotonic() - started < WITHIN
    assert alive_nodes() == [Node(0.0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "autoscaling", [{}, {"RAY_enable_autoscaler_v2": "0"}], indirect=True, ids=["second", "first"]
)
def test_the_least_is_waited_for(autoscaling: None) -> None:
    wait_until(lambda: growth().possible, 30)  # it has only just been started
    with pytest.raises(InputError, match=r"after 0:0\d of waiting, .*cluster\.wait_seconds"):
        asked(replicas=2, cpus_per_replica=2, wait_seconds=0.5)
    allocation = asked(replicas=[2, 4], cpus_per_replica=2)
    assert (allocation.least, allocation.most, allocation.threads) == (2, 4, 2)
    assert [node for node in alive_nodes() if node.cpus] == [Node(2.0), Node(2.0)]


@pytest.mark.slow
def test_without_a_node_to_go_by_the_first_says_what_a_replica_gets(autoscaling: None) -> None:
    allocation = asked(device="cuda", replicas=[1, 4])
    assert (allocation.least, allocation.most, allocation.gpus) == (1, 4, 1)
    assert [node for node in alive_nodes() if node.cpus] == [Node(4.0, 1.0)]
    assert allocation.threads == 4
    with pytest.raises(InputError, match=r"2 with 4 CPUs and 1 GPUs .* room for 1.*no node for it"):
        asked(device="cuda", replicas=2)


@pytest.mark.slow
def test_a_job_starts_with_the_least_and_grows(
    tmp_path: Path, tiny_model: Path, autoscaling: None
) -> None:
    """Replicas are slow enough for the second node to come."""
    log = Path(os.environ[LOG])
    source = write_files(tmp_path / "in", [table(range(200))], group=5)
    settings = [
        *(f"model.name={tiny_model}", "cluster.rows_per_shard=5", "cluster.replicas=[1, 2]"),
        "cluster.cpus_per_replica=2",
    ]
    job = Job(source, tmp_path / "out", *settings)
    job.start()
    assert job.summary()["rows_by_status"]["ok"] == 200
    assert len(noted(log, "loaded")) == 2
    begun = noted(log, "begun")
    assert len(set(begun)) == len(begun)
