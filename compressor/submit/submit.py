"""Send a request to a cluster: under a new id, or under one that may have been sent before."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compressor.errors import InputError
from compressor.submit.cluster import Cluster, status_of
from compressor.submit.luggage import own_digest, packed
from compressor.submit.preflight import preflight
from compressor.submit.request import Request

GOES_ON = {"PENDING", "RUNNING", "SUCCEEDED"}


@dataclass(frozen=True, slots=True)
class Submitted:
    """`again`: the cluster had this very job under that id, and nothing was sent."""

    identity: str
    again: bool = False


def submit(
    cluster: Cluster,
    request: Request,
    *,
    secrets: Sequence[str] = (),
    identity: str | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Submitted:
    """Check what the cluster has, send what it lacks, start the job.

    `secrets` are variables that must be set there. A given `identity` makes this safe to repeat:
    of two calls with the same request one starts the job and the other finds it. Raises
    `InputError`.
    """
    if identity is not None and _is_there(cluster, request, identity):
        return Submitted(identity, again=True)
    there = preflight(cluster, secrets).package
    code = there != own_digest()
    if code:
        has = "has another version of" if there else "doesn't have"
        note(f"the cluster {has} this package: its code travels with the job")
    name = identity or new_identity(request.job)
    with packed(request, code=code) as environment, cluster.explained():
        try:
            cluster.send(
                entrypoint=request.entrypoint,
                submission_id=name,
                runtime_env=environment,
                metadata={"job": request.job, "digest": request.digest},
            )
        except RuntimeError as error:
            if "already exists" in str(error) and _is_there(cluster, request, name):
                return Submitted(name, again=True)  # another call was quicker
            raise
    return Submitted(name)


def new_identity(job: str) -> str:
    """An id that sorts by time and that nobody else has."""
    return f"{job}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def _is_there(cluster: Cluster, request: Request, identity: str) -> bool:
    job = cluster.find(identity)
    if job is None:
        return False
    if (job.metadata or {}).get("digest") != request.digest:
        raise InputError(
            f"--submission-id {identity}: is that of another job or configuration on "
            f"{cluster.shown}; choose another id"
        )
    if status_of(job) not in GOES_ON:
        raise InputError(
            f"--submission-id {identity}: that job has ended ({status_of(job).lower()}); choose "
            "another id: what it has done is kept, and the new one continues"
        )
    return True
