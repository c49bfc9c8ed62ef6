"""What Ray's autoscaler says: whether there is one, what it brings, what it can't.

Ray has no public call for that; what `ray status` prints is read here, and where a version of Ray
has it otherwise, the cluster counts as one that doesn't grow.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# How `ray status` names the nodes of a cluster without an autoscaler, before their ids.
UNMANAGED = "node_"


@dataclass(frozen=True, slots=True)
class Growth:
    """`possible`: nodes may come; `refused`: none would do; what is on the way, and what failed."""

    possible: bool = False
    refused: bool = False
    coming: Sequence[str] = ()
    failed: Sequence[str] = ()

    def said(self) -> str:
        """In words, as far as there is anything to say."""
        parts = []
        if self.coming:
            parts.append(f"on the way: {', '.join(self.coming)}")
        if self.failed:
            parts.append(f"failed to come: {', '.join(self.failed)}")
        return "; ".join(parts)


def growth(group: str | None = None) -> Growth:
    """The autoscaler's state, and its answer to the placement group of that id.

    To be called on the cluster.
    """
    try:
        return _second_generation(group) if _is_second() else _first_generation()
    except Exception:  # internals of Ray, which other versions may lack
        return Growth()


def _is_second() -> bool:
    from ray.autoscaler.v2.utils import is_autoscaler_v2

    return bool(is_autoscaler_v2(fetch_from_server=True, gcs_client=_client()))


def _second_generation(group: str | None) -> Growth:
    """KubeRay and `ray up`: each request is answered, also where nothing can ever be added."""
    from ray.core.generated import autoscaler_pb2

    messages: Any = autoscaler_pb2
    reply = messages.GetClusterStatusReply()
    reply.ParseFromString(_client().get_cluster_status(timeout_s=10))
    state = reply.autoscaling_state
    pending = [(of.ray_node_type_name, of.count) for of in state.pending_instance_requests]
    pending += [(of.ray_node_type_name, 1) for of in state.pending_instances]
    lost = state.failed_instance_requests
    infeasible = state.infeasible_gang_resource_requests
    return Growth(
        possible=True,
        refused=group is not None and any(group in of.details for of in infeasible),
        coming=[f"{count} x {name}" for name, count in pending if count],
        failed=sorted({f"{of.ray_node_type_name} ({of.reason})" for of in lost}),
    )


def _first_generation() -> Growth:
    """It says what it does, but never that it can't; without an autoscaler it lists bare nodes."""
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS

    status = _client().internal_kv_get(DEBUG_AUTOSCALING_STATUS.encode(), None, timeout=10)
    report = json.loads(status)["autoscaler_report"] if status else {}
    kinds = [*report.get("active_nodes", {}), *report.get("pending_launches", {})]
    if all(kind.startswith(UNMANAGED) for kind in kinds):
        return Growth()
    coming = [f"{count} x {kind}" for kind, count in report["pending_launches"].items()]
    coming += [f"1 x {kind}" for _, kind, _ in report["pending_nodes"]]
    return Growth(
        possible=True, coming=coming, failed=sorted({kind for _, kind in report["failed_nodes"]})
    )


def _client() -> Any:
    import ray

    internals: Any = ray._raylet
    return internals.GcsClient(address=ray.get_runtime_context().gcs_address)
