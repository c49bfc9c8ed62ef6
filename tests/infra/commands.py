"""Command lines of ours in manifests, compose and the runbook, each with its configuration.

A configuration is the text of the file that the command names, from where the pod would read it.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.infra.manifests import INFRA, OVERLAYS, Document, files, jobs, overlay


@dataclass(frozen=True)
class Command:
    """`line` as it stands; `config` the text of its --config."""

    where: str
    line: str
    config: str

    @property
    def job(self) -> str:
        return shlex.split(self.line)[1]

    @property
    def path(self) -> str:
        words = shlex.split(self.line)
        return words[words.index("--config") + 1]

    @property
    def overrides(self) -> list[str]:
        words = shlex.split(self.line)
        return words[words.index("--config") + 2 :]


def of_manifests() -> Iterator[Command]:
    """The entry points of the RayJobs; their --config must be a file of a ConfigMap on the head."""
    for name in OVERLAYS:
        for job in jobs(overlay(name)):
            line = job["entrypoint"]
            words = shlex.split(line)
            path = words[words.index("--config") + 1]
            yield Command(f"overlay {name}", line, _mounted(overlay(name), job, path))


def _mounted(documents: list[Document], job: Document, path: str) -> str:
    pod = job["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    folder, _, file = path.rpartition("/")
    (mount,) = (m for m in pod["containers"][0]["volumeMounts"] if m["mountPath"] == folder)
    (volume,) = (v for v in pod["volumes"] if v["name"] == mount["name"])
    return files(documents, volume["configMap"]["name"])[file]


def compose() -> Document:
    document: Document = yaml.safe_load((INFRA / "docker" / "compose.yaml").read_text("utf-8"))
    return document


def of_compose() -> Iterator[Command]:
    """The two that its comment shows: from this machine, and inside the head's container."""
    text = (INFRA / "docker" / "compose.yaml").read_text("utf-8")
    services: Any = compose()["services"]
    (source,) = services["head"]["configs"]
    config = (INFRA / "docker" / compose()["configs"][source["source"]]["file"]).read_text("utf-8")
    for line in re.findall(r"compressor compress --config .*", text):
        assert source["target"] in line
        yield Command("compose", line, config)


def of_runbook() -> list[str]:
    """Lines of its sh blocks; continued ones joined."""
    text = (INFRA / "README.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]
