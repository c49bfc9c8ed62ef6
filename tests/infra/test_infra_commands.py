"""The commands of the manifests: they parse, their keys exist, and they run on a cluster."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import DeltaTable

from compressor.cli import job_names
from compressor.config import CompressConfig
from compressor.corpus.demo import corpus
from compressor.errors import InputError
from compressor.schema import describe, load
from tests.infra.commands import Command, compose, of_compose, of_manifests
from tests.infra.manifests import ROOT, overlay

COMMANDS = [*of_manifests(), *of_compose()]
ROWS = 12
HAS_CPUS = """
import sys, time, ray
ray.init(address=sys.argv[1], logging_level="error", log_to_driver=False)
while not ray.cluster_resources().get("CPU"):
    time.sleep(0.2)
"""


def test_every_overlay_has_one() -> None:
    jobs = {command.where: command.job for command in of_manifests()}
    assert jobs == {
        "overlay cpu": "compress",
        "overlay gpu": "compress",
        "overlay spot": "compress",
        "overlay refresh": "refresh",
        "overlay schedule": "refresh",
        "overlay raycronjob": "refresh",
    }
    assert len(list(of_compose())) == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.where)
def test_the_configuration_is_one(command: Command, tmp_path: Path) -> None:
    assert shlex.split(command.line)[0] == "compressor"
    assert command.job in job_names()
    config = parsed(command, command.config, tmp_path)
    assert config.cluster.address == "auto"
    assert config.input.path.startswith("s3://")
    assert config.output.path.startswith("s3://")
    assert config.input.path != config.output.path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.where)
def test_a_key_that_was_renamed_is_noticed(command: Command, tmp_path: Path) -> None:
    """Whichever: a configuration that a manifest still has and the schema no longer fails here."""
    keys = [(s, k) for s, part in yaml.safe_load(command.config).items() for k in part]
    assert {".".join(key) for key in keys} <= {key for key, _, _ in describe(CompressConfig)}
    for section, key in keys:
        renamed = yaml.safe_load(command.config)
        renamed[section][f"{key}_renamed"] = renamed[section].pop(key)
        with pytest.raises(InputError, match=f"{section}.{key}_renamed"):
            parsed(command, yaml.safe_dump(renamed), tmp_path)


def test_replicas_are_within_what_the_autoscaler_may_add() -> None:
    for command in of_manifests():
        _, _, name = command.where.partition(" ")
        (document,) = (d for d in overlay(name) if d["apiVersion"] == "ray.io/v1")
        job = document["spec"].get("jobTemplate", document["spec"])
        (group,) = job["rayClusterSpec"]["workerGroupSpecs"]
        least, most = yaml.safe_load(command.config)["cluster"]["replicas"]
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert least >= 1
        assert most <= group["maxReplicas"]


def parsed(command: Command, text: str, folder: Path) -> CompressConfig:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load(CompressConfig, str(path), command.overrides)


# On a cluster. The storage is another, and files lie elsewhere than in a pod; nothing else differs.


@pytest.fixture(scope="module")
def environment(s3_server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a node: the storage, Ray's token as `authOptions` wants it, and `compressor` on PATH."""
    programs = tmp_path_factory.mktemp("bin")
    (programs / "compressor").write_text(
        f"#!{sys.executable}\nfrom compressor.cli import main\nmain()\n"
    )
    (programs / "compressor").chmod(0o755)
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {
        **kept,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_REGION": "us-east-1",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray Data leaves actors behind, for which a node that is to go waits 30 seconds.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "1",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "a token of this test, long enough for Ray to take it",
    }


@pytest.fixture(scope="module")
def address(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A head and a worker, started by the commands of compose.yaml."""
    services: Any = compose()["services"]
    port, folder = 20000 + os.getpid() % 10000, tmp_path_factory.mktemp("ray")
    here = f"127.0.0.1:{port}"
    with open(folder / "log", "wb") as log:

        def start(command: str, *more: str) -> subprocess.Popen[bytes]:
            words = [*shlex.split(command), *more]
            return subprocess.Popen(
                words, env=environment, stdout=log, stderr=log, start_new_session=True
            )

        head = start(services["head"]["command"], "--include-dashboard=false", f"--port={port}")
        nodes = [head]
        try:
            # By the health check of compose.yaml; then, as KubeRay does, until the worker is there.
            check = services["head"]["healthcheck"]["test"][1:]
            wait_for([word.replace("localhost:6379", here) for word in check], environment)
            worker = services["worker"]["command"].replace("head:6379", here)
            nodes.append(start(worker, "--num-cpus=2"))
            wait_for([sys.executable, "-c", HAS_CPUS, here], environment)
            yield here
        finally:
            for node in reversed(nodes):  # a node drains with the help of the head
                node.send_signal(signal.SIGTERM)
                node.wait(60)


def wait_for(command: list[str], environment: dict[str, str]) -> None:
    said = ""
    for _ in range(60):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        said = done.stdout + done.stderr
        time.sleep(1)
    raise AssertionError(said)


@pytest.mark.parametrize(
    "where", ["overlay spot", pytest.param("overlay schedule", marks=pytest.mark.slow)]
)
def test_the_command_runs(
    where: str,
    address: str,
    environment: dict[str, str],
    tmp_path: Path,
    s3_options: dict[str, Any],
) -> None:
    (command,) = (command for command in COMMANDS if command.where == where)
    bucket = f"corpora-{command.job}"
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir(bucket)
    with storage.open(f"{bucket}/corpus/a.parquet", "wb") as file:
        pq.write_table(corpus().slice(0, ROWS), file)
    folder, _, name = command.path.rpartition("/")
    (tmp_path / name).write_text(command.config.replace("BUCKET", bucket), encoding="utf-8")

    done = subprocess.run(
        ["bash", "-c", command.line.replace(folder, str(tmp_path))],
        env={**environment, "RAY_ADDRESS": address},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    target = yaml.safe_load(command.config)["output"]["path"].replace("BUCKET", bucket).rstrip("/")
    assert re.search(rf"^data +{target}", done.stdout, re.MULTILINE)
    if command.job == "refresh":
        options = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": environment["AWS_ENDPOINT_URL"],
            "AWS_ALLOW_HTTP": "true",
        }
        assert DeltaTable(target, storage_options=options).to_pyarrow_table().num_rows == ROWS
    else:
        (written,) = storage.glob(f"{target}/*.parquet")
        assert pq.read_table(written, filesystem=storage).num_rows == ROWS
