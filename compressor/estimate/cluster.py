"""The replicas that are measured here, and those that the job will have there.

In: the configuration and this machine; out: both, and in words what had to be assumed because they
are not the same.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from compressor.config import ClusterSection
from compressor.estimate.config import EstimateConfig
from compressor.pipeline.resources import Allocation, Node, ShortageError, allocate, room
from compressor.pipeline.topology import topology

PLENTY = 10**9  # shards: each replica has work


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured on this machine, and what for.

    cluster: the section for a run here; device: "auto" where the planned one isn't here; here,
    there: replicas; cpus, gpus: of one there; faster: how many times as fast one there is thought
    to be; assumed: one sentence each.
    """

    cluster: ClusterSection
    device: str
    here: int
    there: int
    cpus: float
    gpus: float
    faster: float
    assumed: tuple[str, ...]

    @property
    def on_gpu(self) -> bool:
        """Whether the measurement runs on one."""
        return self.cluster.gpus_per_replica != 0


def this_machine() -> Node:
    """What Ray will find here."""
    import torch

    cpus, cores = float(os.cpu_count() or 1), topology()
    known = cores is not None and cores.cpus == cpus
    return Node(cpus, float(torch.cuda.device_count()), cores if known else None)


def cluster_nodes(config: EstimateConfig) -> list[Node]:
    """The nodes of the cluster that the job will join; none where it starts Ray itself.

    Raises `InputError` where the address doesn't answer.
    """
    if config.cluster.address is None or config.estimate.replicas is not None:
        return []
    from compressor.pipeline.session import session

    with session(config.cluster.address) as nodes:
        return nodes


def setting_of(
    config: EstimateConfig, node: Node, shards: int, nodes: Sequence[Node] = ()
) -> Setting:
    """Decide; `nodes`: of the cluster. Raises `InputError` for what no machine could mend."""
    joined = _joined(config, nodes, shards) if nodes else None
    here = _here(config, node, shards)
    return here if joined is None else _measured_here(config, here, node, joined, nodes)


def _here(config: EstimateConfig, node: Node, shards: int) -> Setting:
    """With what the configuration says of the replicas there, where they aren't those of here."""
    wanted, assumed = config.cluster, list[str]()
    device = config.model.device
    if device == "cuda" and not node.gpus:
        device = "auto"
    local = wanted.model_copy(update={"address": None})
    if elsewhere := bool(wanted.address or config.estimate.replicas):
        local = local.model_copy(update={"replicas": "auto"})
    try:
        allocation = _fitting(local, node, device)
    except ShortageError:  # what a replica is to have there is more than there is here
        elsewhere = True
        auto = dict.fromkeys(("replicas", "cpus_per_replica", "gpus_per_replica"), "auto")
        local = local.model_copy(update=auto)
        allocation = _fitting(local, node, device)
    if not elsewhere and shards < allocation.most:  # the others would have nothing to do
        allocation = replace(allocation, most=shards)
        local = local.model_copy(
            update={"replicas": shards, "cpus_per_replica": float(allocation.threads)}
        )
    here, gpus = allocation.most, _gpus_there(config, allocation)
    there = max(1, min(_replicas(config, here) if elsewhere else here, shards))
    cpus_here = node.cpus / here
    cpus = cpus_here if wanted.cpus_per_replica == "auto" else float(wanted.cpus_per_replica)
    faster = 1.0
    if config.estimate.tokens_per_second is None:
        faster, why = _faster(allocation.gpus, cpus_here, cpus, gpus)
        assumed += why
    if elsewhere and config.estimate.replicas is None and wanted.replicas == "auto":
        assumed.append(
            f"the cluster has {_count(there)}, as this machine; estimate.replicas says how many "
            "there will be"
        )
    if there != here:
        assumed.append(_together(there, here))
    local = local.model_copy(update={"gpus_per_replica": allocation.gpus})
    return Setting(local, device, here, there, cpus, gpus, faster, tuple(assumed))


def _joined(config: EstimateConfig, nodes: Sequence[Node], shards: int) -> Allocation | None:
    """What the job has on the cluster as it is; None where it lacks room, which may still come."""
    try:
        return allocate(config.cluster, nodes, device=config.model.device, shards=shards)
    except ShortageError:
        return None


def _measured_here(
    config: EstimateConfig,
    found: Setting,
    node: Node,
    joined: Allocation,
    nodes: Sequence[Node],
) -> Setting:
    """For the replicas of a cluster that was asked."""
    assumed = list[str]()
    faster, cpus_here = 1.0, node.cpus / found.here
    fits = room(nodes, joined)
    # Whole machines are paid for; but of those with a GPU, only their own CPUs feed it.
    cpus = sum(one.cpus for one in nodes if one.gpus or not joined.gpus) / max(1, fits)
    if config.estimate.tokens_per_second is None:
        on_gpu = float(found.cluster.gpus_per_replica)
        faster, assumed = _faster(on_gpu, cpus_here, cpus, joined.gpus)
    if fits < joined.most:
        assumed.append(
            f"the cluster has room for {_count(fits)} now, and its autoscaler brings the others"
        )
    if joined.most != found.here:
        assumed.append(_together(joined.most, found.here))
    return replace(
        found,
        there=joined.most,
        cpus=cpus,
        gpus=joined.gpus,
        faster=faster,
        assumed=tuple(assumed),
    )


def _fitting(cluster: ClusterSection, node: Node, device: str) -> Allocation:
    """What the job has here; of a range, as many as there is room for."""
    allocation = allocate(cluster, [node], device=device, shards=PLENTY)
    return replace(allocation, most=min(allocation.most, room([node], allocation)))


def _gpus_there(config: EstimateConfig, here: Allocation) -> float:
    if config.cluster.gpus_per_replica != "auto":
        return float(config.cluster.gpus_per_replica)
    if config.model.device == "cuda" or config.estimate.price_per_gpu_hour is not None:
        return max(1.0, here.gpus)
    return here.gpus


def _faster(
    gpus_here: float, cpus_here: float, cpus: float, gpus: float
) -> tuple[float, list[str]]:
    """How many times as fast a replica there is, and what that rests on."""
    if bool(gpus) != bool(gpus_here):
        place = "a GPU there, a CPU here" if gpus else "a CPU there, a GPU here"
        return 1.0, [
            f"the model runs on {place}, and the time is that of replicas as here; "
            "estimate.tokens_per_second says what one does there"
        ]
    if gpus or math.isclose(cpus, cpus_here):
        return 1.0, []
    return cpus / cpus_here, [
        f"a replica with {cpus:g} CPUs does {cpus / cpus_here:.3g} times what one with "
        f"{cpus_here:g} did here; estimate.tokens_per_second says it better"
    ]


def _replicas(config: EstimateConfig, here: int) -> int:
    """As many as the job would have on a cluster with room for all."""
    wanted = config.estimate.replicas or config.cluster.replicas
    if wanted == "auto":
        return here
    return int(wanted[1] if isinstance(wanted, list) else wanted)


def _together(there: int, here: int) -> str:
    return (
        f"{_count(there)} do {there / here:.3g} times what {here} did here: storage keeps up, "
        "and so does one driver"
    )


def _count(replicas: int) -> str:
    return f"{replicas} replica" + ("s" if replicas != 1 else "")
