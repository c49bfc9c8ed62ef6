"""Weights on S3 on their way to the replicas of a node: counted at the server."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml

from tests.models.requests_log import Requests, logged
from tests.pipeline.corpora import table, write_files
from tests.pipeline.counted import LOG, NODE_CACHE, TOGETHER, noted

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tiny_model: Path, s3_options: dict[str, Any]) -> str:
    filesystem = fsspec.filesystem("s3", **s3_options)
    bucket = f"weights-{os.urandom(4).hex()}"
    filesystem.mkdir(bucket)
    for path in tiny_model.iterdir():
        filesystem.pipe_file(f"{bucket}/tiny/{path.name}", path.read_bytes())
    return f"s3://{bucket}/tiny"


def run(folder: Path, model: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    source = write_files(folder / "in", [table(range(40))])
    options = {"endpoint_url": endpoint, "key": "test", "secret": "test"}
    arguments = [
        *(f"input.path={source}", f"output.path={folder / 'out'}", f"model.name={model}"),
        f"input.storage_options={yaml.safe_dump(options, default_flow_style=True)}",
        *("cluster.replicas=4", "cluster.cpus_per_replica=0.5", "cluster.rows_per_shard=5"),
    ]
    return subprocess.run(
        [sys.executable, "-m", "tests.pipeline.counted", *arguments],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COMPRESSOR_CACHE": str(folder / "driver"),
            NODE_CACHE: str(folder / "node"),
            LOG: str(folder / "log"),
            TOGETHER: "4",
        },
    )  # fmt: skip


def test_four_replicas_of_a_node_fetch_each_object_once(
    tmp_path: Path, model: str, tiny_model: Path, s3_server: str
) -> None:
    log = Requests()
    with logged(s3_server, log) as endpoint:
        done = run(tmp_path, model, endpoint)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows_by_status"]["ok"] == 40
    assert len(noted(tmp_path / "log", "loaded")) == 4
    files = sorted(path.name for path in tiny_model.iterdir())
    assert log.objects() == sorted(files * 2)  # the driver, and the node
    (own,), (nodes,) = ([*(tmp_path / at).glob("models/*/")] for at in ("driver", "node"))
    assert own.name == nodes.name


@pytest.mark.slow
def test_a_model_that_changes_under_way_is_not_mixed(
    tmp_path: Path, model: str, s3_server: str, s3_options: dict[str, Any]
) -> None:
    log = Requests()
    listings = 0

    def change(method: str, path: str) -> None:
        nonlocal listings
        listings += "list-type" in path
        if listings == 3:  # the driver lists before and after; this is the node
            listings += 1
            config = f"{model}/config.json"
            filesystem = fsspec.filesystem("s3", **s3_options)
            filesystem.pipe_file(config, filesystem.cat_file(config) + b"\n")

    log.before = change
    with logged(s3_server, log) as endpoint:
        done = run(tmp_path, model, endpoint)

    assert done.returncode == 1
    assert f"model {model}: is another one here than where the job was planned" in done.stderr
    assert not list((tmp_path / "out").glob("*.parquet"))
