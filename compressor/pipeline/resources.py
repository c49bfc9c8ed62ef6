"""How many replicas, each with what: from the configuration and the cluster's nodes.

A request that can't be met is refused here, saying what is missing; Ray would wait for ever. With
GPUs, replicas run on the nodes that have one, whatever else there is. The read and write tasks run
anywhere and need CPUs beside the actors, so some of each node is kept for them: a replica books a
little less than the CPUs that it was given, and still uses as many threads.

Without GPUs, `auto` takes as few replicas as keep each within a NUMA node and
`MOST_CPUS_PER_REPLICA` cores, and a thread for each physical core: two that share one have a single
unit for matrices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compressor.config import ClusterSection
from compressor.errors import InputError
from compressor.pipeline.topology import Topology

IO_TASK_CPUS = 0.25  # what a read or write task books: it mostly waits for storage
IO_SHARE = 0.25  # of a node's CPUs, at most one of them, stays free for such tasks
# One process scales over the cores of a laptop; beyond, more processes use the cores better.
MOST_CPUS_PER_REPLICA = 16
MOST_CPUS_PER_GPU = 8  # tokenising and post-processing for one GPU


@dataclass(frozen=True, slots=True)
class Node:
    """What a node of the cluster has."""

    cpus: float
    gpus: float = 0.0
    topology: Topology | None = None  # where it is known


@dataclass(frozen=True, slots=True)
class Allocation:
    """Replicas from `least` to `most`; each books `cpus` and `gpus` and runs `threads`."""

    least: int
    most: int
    cpus: float
    gpus: float
    threads: int


class ShortageError(InputError):
    """The cluster's nodes have no room for `replicas` of `cpus` and `gpus`; more nodes would."""

    def __init__(self, message: str, replicas: int, cpus: float, gpus: float) -> None:
        super().__init__(message)
        self.replicas, self.cpus, self.gpus = replicas, cpus, gpus


def allocate(
    cluster: ClusterSection, nodes: Sequence[Node], *, device: str, shards: int
) -> Allocation:
    """Decide; raises `ShortageError` where nodes lack, `InputError` for what no node could mend.

    No more replicas are started than there are shards.
    """
    nodes = [node for node in nodes if node.cpus > 0]
    gpus = _gpus_per_replica(cluster, nodes, device)
    cpus = _cpus_per_replica(cluster, nodes, gpus)
    fits = [_fits(node, cpus, gpus) for node in nodes]
    if isinstance(cluster.replicas, list):
        least, most = cluster.replicas
    elif cluster.replicas == "auto":
        least = most = max(1, sum(fits))
    else:
        least = most = cluster.replicas
    least, most = min(least, shards), min(most, shards)
    if sum(fits) < least:
        message = _what_is_missing(nodes, device, least, cpus, gpus, sum(fits))
        raise ShortageError(message, least, cpus, gpus)
    booked = min(
        min(cpus, (node.cpus - _reserve(node)) / min(fit, most))
        for node, fit in zip(nodes, fits, strict=True)
        if fit
    )
    threads = max(1, int(cpus / _threads_per_core(cluster, nodes, gpus)))
    return Allocation(least, most, _round_down(booked), gpus, threads)


def room(nodes: Sequence[Node], allocation: Allocation) -> int:
    """How many of its replicas the nodes have room for."""
    return sum(_fits(node, allocation.cpus, allocation.gpus) for node in nodes)


def _gpus_per_replica(cluster: ClusterSection, nodes: Sequence[Node], device: str) -> float:
    if cluster.gpus_per_replica != "auto":
        gpus = float(cluster.gpus_per_replica)
        if gpus and device == "cpu":
            raise InputError(
                "cluster.gpus_per_replica: GPUs are asked for, but model.device is cpu"
            )
        if device == "cuda" and not gpus:
            raise InputError("cluster.gpus_per_replica: is 0, but model.device is cuda")
        return gpus
    there = any(node.gpus >= 1 for node in nodes)
    return 1.0 if device == "cuda" or (there and device != "cpu") else 0.0


def _cpus_per_replica(cluster: ClusterSection, nodes: Sequence[Node], gpus: float) -> float:
    if cluster.cpus_per_replica != "auto":
        return float(cluster.cpus_per_replica)
    if gpus:
        shares = [node.cpus / (node.gpus / gpus) for node in nodes if node.gpus >= gpus]
        return min(MOST_CPUS_PER_GPU, *shares) if shares else 1.0  # until there is one to go by
    largest = max((node.cpus for node in nodes), default=0.0)
    if not largest:
        return 1.0  # until there is a node to go by
    alike = [node.cpus for node in nodes if node.cpus >= largest / 2]  # not a small head node
    smallest = min(alike)
    if isinstance(cluster.replicas, int):  # share the CPUs among as many as are asked for
        return min(MOST_CPUS_PER_REPLICA, smallest / math.ceil(cluster.replicas / len(alike)))
    return min(_share(node) for node in nodes if node.cpus == smallest)


def _share(node: Node) -> float:
    """The CPUs of each replica where all of a node's are for replicas."""
    if node.topology is None:
        return node.cpus / math.ceil(node.cpus / MOST_CPUS_PER_REPLICA)
    return node.cpus / sum(
        math.ceil(cores / MOST_CPUS_PER_REPLICA) for cores in node.topology.cores
    )


def _threads_per_core(cluster: ClusterSection, nodes: Sequence[Node], gpus: float) -> int:
    """What a replica's CPUs are divided by: nothing where they are configured, or a GPU's."""
    if gpus or cluster.cpus_per_replica != "auto":
        return 1
    return max((node.topology.threads_per_core for node in nodes if node.topology), default=1)


def _fits(node: Node, cpus: float, gpus: float) -> int:
    """Replicas that the node has room for."""
    by_cpus = math.floor(node.cpus / cpus + 1e-9)
    return min(by_cpus, math.floor(node.gpus / gpus + 1e-9)) if gpus else by_cpus


def _reserve(node: Node) -> float:
    return min(1.0, IO_SHARE * node.cpus)


def _round_down(cpus: float) -> float:
    """Ray counts CPUs in ten-thousandths."""
    return math.floor(cpus * 1e3) / 1e3


def _what_is_missing(
    nodes: Sequence[Node], device: str, replicas: int, cpus: float, gpus: float, room: int
) -> str:
    need = f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
    if not nodes:
        return (
            f"cluster.replicas: {replicas} with {need} each are asked for, but no node of the "
            "cluster has a CPU for this job"
        )
    if device == "cuda" and not any(node.gpus for node in nodes):
        return "model.device: cuda is asked for, but no node of the cluster has a GPU"
    have = f"{sum(node.cpus for node in nodes):g} CPUs and {sum(n.gpus for n in nodes):g} GPUs"
    return (
        f"cluster.replicas: {replicas} with {need} each are asked for, but the cluster "
        f"({len(nodes)} nodes, {have}) has room for {room}; lower cluster.replicas, "
        "cluster.cpus_per_replica or cluster.gpus_per_replica, or add nodes"
    )
