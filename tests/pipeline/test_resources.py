"""Replicas and what each gets: sensible by default, never all CPUs, refused where impossible."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.config import ClusterSection
from compressor.errors import InputError
from compressor.pipeline.resources import (
    IO_TASK_CPUS,
    Allocation,
    Node,
    ShortageError,
    allocate,
)


def allocated(*nodes: Node, device: str = "auto", shards: int = 1000, **keys: Any) -> Allocation:
    return allocate(ClusterSection(**keys), nodes, device=device, shards=shards)


@pytest.mark.parametrize(
    ("nodes", "replicas", "threads", "gpus"),
    [
        ([Node(2)], 1, 2, 0),  # the smallest laptop
        ([Node(10)], 1, 10, 0),
        ([Node(64)], 4, 16, 0),
        ([Node(16, 1)], 1, 8, 1),
        ([Node(64, 8)], 8, 8, 1),
        ([Node(8, 4)], 4, 2, 1),
        ([Node(4), Node(16), Node(16)], 2, 16, 0),  # a small head node
        ([Node(0), Node(32, 2), Node(32, 2)], 4, 8, 1),
        ([Node(64), Node(64), Node(4, 1)], 1, 4, 1),  # readers beside a node with a GPU
        ([Node(2), Node(8, 1), Node(16, 2)], 3, 8, 1),
    ],
)
def test_auto(nodes: list[Node], replicas: int, threads: int, gpus: int) -> None:
    allocation = allocated(*nodes)
    assert (allocation.least, allocation.most) == (replicas, replicas)
    assert (allocation.threads, allocation.gpus) == (threads, gpus)


@pytest.mark.parametrize(
    ("keys", "least", "most", "threads"),
    [
        ({"replicas": 2}, 2, 2, 1),
        ({"replicas": [1, 4]}, 1, 4, 2),
        ({"replicas": 2, "cpus_per_replica": 1}, 2, 2, 1),
        ({"replicas": 4, "cpus_per_replica": 0.5}, 4, 4, 1),
        ({"gpus_per_replica": 0}, 1, 1, 2),
    ],
)
def test_what_is_asked_for_on_two_cpus(
    keys: dict[str, Any], least: int, most: int, threads: int
) -> None:
    allocation = allocated(Node(2), **keys)
    assert (allocation.least, allocation.most, allocation.threads) == (least, most, threads)
    assert allocation.cpus * least <= 1.5  # the rest is for reading and writing


def test_a_cpu_device_leaves_gpus_alone() -> None:
    assert allocated(Node(8, 2), device="cpu").gpus == 0


def test_gpus_may_be_shared() -> None:
    allocation = allocated(Node(16, 1), gpus_per_replica=0.25)
    assert (allocation.least, allocation.gpus, allocation.threads) == (4, 0.25, 4)


def test_no_more_replicas_than_shards() -> None:
    assert allocated(Node(64), shards=2).most == 2
    assert allocated(Node(2), shards=1, replicas=2).least == 1


@pytest.mark.parametrize(
    ("node", "device", "keys", "message"),
    [
        (Node(2), "auto", {"replicas": 3, "cpus_per_replica": 1}, "has room for 2"),
        (Node(2), "auto", {"cpus_per_replica": 4}, "1 with 4 CPUs each .* has room for 0"),
        (Node(8), "auto", {"gpus_per_replica": 1}, "1 GPUs each .* 0 GPUs"),
        (Node(8, 1), "auto", {"replicas": 2, "gpus_per_replica": 1}, "has room for 1"),
        (Node(8), "cuda", {}, "model.device: cuda .* no node"),
        (Node(8, 1), "cuda", {"gpus_per_replica": 0}, "gpus_per_replica: is 0"),
        (Node(8, 1), "cpu", {"gpus_per_replica": 1}, "model.device is cpu"),
        (Node(0), "auto", {}, "no node of the cluster has a CPU"),
    ],
)
def test_what_can_not_be_met_is_refused(
    node: Node, device: str, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        allocated(node, device=device, **keys)


@pytest.mark.parametrize(
    ("nodes", "device", "keys", "replicas", "cpus", "gpus"),
    [
        ([], "auto", {}, 1, 1, 0),  # nothing to go by: the least that is a replica
        ([Node(0)], "auto", {"replicas": [2, 8]}, 2, 1, 0),
        ([Node(0)], "auto", {"replicas": 3, "cpus_per_replica": 6}, 3, 6, 0),
        ([Node(4)], "cuda", {"replicas": [2, 8]}, 2, 1, 1),
        ([Node(4)], "auto", {"gpus_per_replica": 0.5, "cpus_per_replica": 2}, 1, 2, 0.5),
        ([Node(4), Node(8, 1)], "cuda", {"replicas": 2}, 2, 8, 1),  # as those that are there
    ],
)
def test_what_lacks_is_told_to_who_could_bring_it(
    nodes: list[Node], device: str, keys: dict[str, Any], replicas: int, cpus: float, gpus: float
) -> None:
    with pytest.raises(ShortageError) as caught:
        allocated(*nodes, device=device, **keys)
    error = caught.value
    assert (error.replicas, error.cpus, error.gpus) == (replicas, cpus, gpus)


@pytest.mark.parametrize(
    ("device", "keys"), [("cuda", {"gpus_per_replica": 0}), ("cpu", {"gpus_per_replica": 1})]
)
def test_what_no_node_could_mend_is_not_waited_for(device: str, keys: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        allocated(device=device, **keys)
    assert not isinstance(caught.value, ShortageError)


nodes_strategy = st.lists(
    st.builds(Node, st.integers(1, 64).map(float), st.integers(0, 8).map(float)), min_size=1
)


@given(nodes_strategy, st.sampled_from(["auto", 1, 2, 3, 7, [1, 5]]), st.integers(1, 50))
def test_something_is_always_left_for_reading_and_writing(
    nodes: list[Node], replicas: Any, shards: int
) -> None:
    try:
        allocation = allocated(*nodes, replicas=replicas, shards=shards)
    except InputError:
        return
    room = [
        min(int(node.cpus / allocation.cpus), shards, allocation.most)
        if not allocation.gpus
        else min(int(node.cpus / allocation.cpus), int(node.gpus / allocation.gpus))
        for node in nodes
    ]
    placed = min(allocation.most, sum(room))
    free = sum(node.cpus for node in nodes) - placed * allocation.cpus
    assert free >= IO_TASK_CPUS - 1e-6
