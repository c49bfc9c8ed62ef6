"""Ask the cluster what it has before the job is sent: one short job that runs `probe.py`."""

import json
import platform
import shlex
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from compressor.errors import InputError
from compressor.submit import probe
from compressor.submit.cluster import ENDED, Cluster, minor, status_of

PREFIX = "preflight-"
MOST_SECONDS = 45.0
POLL_SECONDS = 0.3
# What `import` calls the packages that every job needs.
MODULES = (
    "click",
    "deltalake",
    "filelock",
    "fsspec",
    "jinja2",
    "markupsafe",
    "matplotlib",
    "numpy",
    "pyarrow",
    "pydantic",
    "yaml",
    "ray",
    "regex",
    "rich",
    "s3fs",
    "safetensors",
    "tokenizers",
    "tenacity",
    "torch",
    "tqdm",
    "transformers",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """`package` is the digest of the package that is installed on the head node, if any."""

    package: str | None


def preflight(cluster: Cluster, secrets: Sequence[str]) -> Answer:
    """Raises `InputError` for what the cluster lacks, or where it doesn't answer in time."""
    found = _ask(cluster, {"modules": list(MODULES), "secrets": list(secrets)})
    python, where = str(found["python"]), f"--address: {cluster.shown}:"
    if python != minor(platform.python_version()):
        raise InputError(
            f"{where} `python` on the head node ({found['executable']}) is {python}, here is "
            f"{platform.python_version()}; put the environment that Ray runs in first on its PATH"
        )
    if missing := found["modules"]:
        raise InputError(
            f"{where} Python on the head node ({found['executable']}) lacks {', '.join(missing)}; "
            "install them there, or use an image that has them"
        )
    if absent := found["secrets"]:
        raise InputError(
            f"--secret {absent[0]}: isn't set in the environment of the cluster's head node; "
            "set it where the nodes are started"
        )
    return Answer(found["package"])


def _ask(cluster: Cluster, question: dict[str, Any]) -> dict[str, Any]:
    identity = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    entrypoint = shlex.join(["python", "probe.py", json.dumps(question)])
    with cluster.explained(), TemporaryDirectory(prefix="compressor-submit-") as folder:
        shutil.copyfile(probe.__file__, Path(folder, "probe.py"))
        cluster.send(
            entrypoint=entrypoint, submission_id=identity, runtime_env={"working_dir": folder}
        )
    job = wait(cluster, identity, MOST_SECONDS)
    if job is None:
        with cluster.explained():
            cluster.client.stop_job(identity)
        raise InputError(
            f"--address: {cluster.shown}: has started nothing within {MOST_SECONDS:.0f} s; "
            f"is its head node overloaded? (job {identity})"
        )
    with cluster.explained():
        log = cluster.client.get_job_logs(identity)
    for line in log.splitlines():
        if line.startswith(probe.MARK):
            return dict(json.loads(line.removeprefix(probe.MARK)))
    lines = [line for line in (job.message or log).splitlines() if line.strip()]
    raise InputError(
        f"--address: {cluster.shown}: `python` can't be run on the head node: {lines[-1].strip()}"
    )


def wait(cluster: Cluster, identity: str, seconds: float) -> Any:
    """The details of a job once it has ended, None if it hasn't by then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = cluster.get(identity)
        if status_of(job) in ENDED:
            return job
        time.sleep(POLL_SECONDS)
    return None
