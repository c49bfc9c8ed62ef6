"""What the manifests say once rendered: by kustomize itself (inside kubectl), nothing applied.

`pods` finds the pod templates wherever a kind keeps them; `jobs` the RayJob specs, also those that
a RayCronJob wraps.
"""

import functools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
OVERLAYS = sorted(path.name for path in (INFRA / "kubernetes" / "overlays").iterdir())

Document = dict[str, Any]


def tool(name: str) -> str:
    """The path of a program of the extra `infra`; skips the test where it isn't installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"wants {name} (extra `infra`)", allow_module_level=True)
    return found


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT
    )


def render(folder: Path) -> list[Document]:
    """The documents that `kubectl apply -k folder` would send."""
    done = run(tool("kubectl"), "kustomize", folder)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@functools.cache
def overlay(name: str) -> list[Document]:
    """Of one of ours; not to be changed."""
    return render(INFRA / "kubernetes" / "overlays" / name)


def jobs(documents: list[Document]) -> Iterator[Document]:
    for document in documents:
        if document["kind"] == "RayJob":
            yield document["spec"]
        elif document["kind"] == "RayCronJob":
            yield document["spec"]["jobTemplate"]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """(where, pod template) of each kind that makes pods."""
    for document in documents:
        if document["kind"] == "CronJob":
            yield "CronJob", document["spec"]["jobTemplate"]["spec"]["template"]
    for job in jobs(documents):
        cluster = job["rayClusterSpec"]
        yield "submitter", job["submitterPodTemplate"]
        yield "head", cluster["headGroupSpec"]["template"]
        for group in cluster["workerGroupSpecs"]:
            yield f"workers {group['groupName']}", group["template"]


def files(documents: list[Document], config_map: str) -> dict[str, str]:
    """What a ConfigMap holds."""
    (found,) = (
        document["data"]
        for document in documents
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == config_map
    )
    data: dict[str, str] = found
    return data
