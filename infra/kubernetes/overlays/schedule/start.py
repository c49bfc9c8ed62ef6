"""Start a run like a suspended RayJob, unless one is there, and wait for its end.

    python start.py TEMPLATE RUN

Runs in a pod of the CronJob with nothing but Python. Both names are RayJobs of its namespace. The
run's name is always the same, so that the API server itself allows no second one: whoever comes
while it isn't finished starts nothing and leaves with 0. A finished run is removed when the next
one starts. The exit code is 0 where the run succeeded, else 1.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 15.0  # between looks at the run
FINISHED = {"Complete", "Failed", "ValidationFailed"}

RayJob = dict[str, Any]


class Cluster:
    """The RayJobs of the namespace, through the API server."""

    def __init__(self, server: str, account: Path) -> None:
        namespace = (account / "namespace").read_text().strip()
        self._url = f"{server}/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
        self._account = account

    def get(self, name: str) -> RayJob | None:
        try:
            return self._call("GET", f"/{name}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def create(self, job: RayJob) -> bool:
        """False where a RayJob of that name is there."""
        try:
            self._call("POST", "", job)
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return False
            raise
        return True

    def delete(self, job: RayJob) -> None:
        """That very RayJob: one that has taken its name meanwhile stays."""
        options = {
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": job["metadata"]["uid"]},
        }
        try:
            self._call("DELETE", f"/{job['metadata']['name']}", options)
        except urllib.error.HTTPError as error:
            if error.code not in {404, 409}:
                raise

    def _call(self, method: str, path: str, body: Any = None) -> RayJob:
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                # Read each time: the kubelet renews the token within the hour.
                "Authorization": f"Bearer {(self._account / 'token').read_text().strip()}",
                "Content-Type": "application/json",
            },
        )
        secure = request.type == "https"
        context = ssl.create_default_context(cafile=self._account / "ca.crt") if secure else None
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            job: RayJob = json.load(answer)
            return job


def start(cluster: Cluster, template: str, run: str, seconds: float = SECONDS) -> int:
    """Start `run` from `template` and wait; return the exit code."""
    source = cluster.get(template)
    if source is None:
        print(f"error: there is no RayJob {template}", file=sys.stderr)
        return 1
    before = cluster.get(run)
    if before is not None and _state(before) not in FINISHED:
        print(f"{run} is {_state(before)}: nothing is started")
        return 0
    if before is not None:
        cluster.delete(before)
        while _same(cluster.get(run), before):  # its cluster goes first
            time.sleep(seconds)
    job = {
        "apiVersion": source["apiVersion"],
        "kind": source["kind"],
        "metadata": {"name": run, "labels": source["metadata"].get("labels", {})},
        "spec": {**source["spec"], "suspend": False},
    }
    if not cluster.create(job):
        print(f"{run} has just been started by another: nothing is started")
        return 0
    return _wait(cluster, run, seconds)


def _wait(cluster: Cluster, run: str, seconds: float) -> int:
    shown = ""
    while True:
        try:
            job = cluster.get(run)
        except OSError as error:  # the API server is away for a moment; the run is not
            print(f"{run} can't be read: {error}", flush=True)
            time.sleep(seconds)
            continue
        if job is None:
            print(f"error: {run} was removed before its end", file=sys.stderr)
            return 1
        status = job.get("status", {})
        if (state := _state(job)) != shown:
            print(f"{run} is {state}", flush=True)
            shown = state
        if state in FINISHED:
            print(f"{run} has {status.get('jobStatus')}: {status.get('message', '')}".rstrip(": "))
            return 0 if status.get("jobStatus") == "SUCCEEDED" else 1
        time.sleep(seconds)


def _state(job: RayJob) -> str:
    return str(job.get("status", {}).get("jobDeploymentStatus") or "New")


def _same(job: RayJob | None, other: RayJob) -> bool:
    return job is not None and job["metadata"]["uid"] == other["metadata"]["uid"]


if __name__ == "__main__":
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    server = f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    template, run = sys.argv[1:]
    sys.exit(start(Cluster(server, CREDENTIALS), template, run))
