"""Room for the replicas: on the nodes that are there, or on those that an autoscaler brings.

What lacks is asked of Ray's autoscaler as a placement group, which ends with the job whatever ends
the job. The autoscaler answers with nodes, or that no node of its configuration would do; where
there is none, and where it answers so, the request is refused at once.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from compressor.config import ClusterSection
from compressor.errors import InputError
from compressor.pipeline.autoscaler import Growth, growth
from compressor.pipeline.progress import clock, drawn
from compressor.pipeline.resources import Allocation, Node, ShortageError, allocate, room
from compressor.pipeline.session import alive_nodes, on_cluster

POLL_SECONDS = 2.0
REFUSED_SECONDS = 10.0  # that the autoscaler says no: it may be about to end a node of the kind


def allocation_on(
    cluster: ClusterSection, nodes: Sequence[Node], *, device: str, shards: int
) -> Allocation:
    """Like `allocate`, after waiting for nodes where an autoscaler may add what lacks.

    More replicas than there is room for are left only to a cluster that may grow. Raises
    `InputError` where what lacks can't come, or hasn't after `cluster.wait_seconds`.
    """
    try:
        allocation = allocate(cluster, nodes, device=device, shards=shards)
    except ShortageError as error:
        return _awaited(error, cluster, device, shards)
    there = room(nodes, allocation)
    if there >= allocation.most or on_cluster(growth).possible:
        return allocation
    return replace(allocation, most=there)


def _awaited(
    shortage: ShortageError, cluster: ClusterSection, device: str, shards: int
) -> Allocation:
    started, refused = time.monotonic(), None
    bringing = Growth()

    def waiting(seconds: float) -> str:
        return " · ".join(
            [
                f"waiting for nodes for {shortage.replicas} replicas",
                *filter(None, [bringing.said()]),
                clock(seconds),
            ]
        )

    with _Demand() as demand, drawn(waiting):
        while True:
            bringing = on_cluster(growth, demand.name)
            now = time.monotonic()
            if not bringing.possible:
                raise InputError(str(shortage))
            refused = (refused or now) if bringing.refused else None
            if refused and now - refused >= REFUSED_SECONDS:
                raise InputError(f"{shortage}; its autoscaler has no node for it")
            if now - started >= cluster.wait_seconds:
                raise InputError(_nothing_came(shortage, bringing, now - started))
            demand.ask(shortage.replicas, shortage.cpus, shortage.gpus)
            time.sleep(POLL_SECONDS)
            try:
                return allocate(cluster, alive_nodes(), device=device, shards=shards)
            except ShortageError as error:
                shortage = error


class _Demand:
    """What an autoscaler is asked for, while the block runs."""

    def __init__(self) -> None:
        self._group: Any = None
        self._shape: tuple[int, float, float] | None = None

    @property
    def name(self) -> str | None:
        """How Ray names the request in the autoscaler's answer."""
        return None if self._group is None else str(self._group.id.hex())

    def ask(self, replicas: int, cpus: float, gpus: float) -> None:
        """Ask for room for the replicas, unless that is what was asked for before."""
        from ray.util import placement_group

        shape = (replicas, cpus, gpus)
        if shape == self._shape:
            return
        self.drop()
        bundle = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
        self._group, self._shape = placement_group([bundle] * replicas, "PACK"), shape

    def drop(self) -> None:
        if self._group is not None:
            from ray.util import remove_placement_group

            remove_placement_group(self._group)
            self._group = self._shape = None

    def __enter__(self) -> "_Demand":
        return self

    def __exit__(self, *of_error: object) -> None:
        with suppress(Exception):  # the cluster may be what has gone
            self.drop()


def _nothing_came(shortage: ShortageError, bringing: Growth, seconds: float) -> str:
    coming = bringing.said() or "its autoscaler reports no node on the way"
    return (
        f"{shortage}; after {clock(seconds)} of waiting, {coming}; "
        "cluster.wait_seconds waits longer"
    )
