"""Nodes with addresses of their own: each in a network namespace, joined by a bridge.

What only works because everything is on 127.0.0.1 fails here: the log of a driver that is fetched
from its node, objects between nodes, an S3 server that is another host.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest

from tests.pipeline.corpora import table
from tests.submit.local_cluster import LocalCluster, submit
from tests.submit.nodes import files_with_times, keys

pytestmark = pytest.mark.slow
NODES = 3


@pytest.fixture
def network() -> Iterator[list[tuple[str, str]]]:
    """(namespace, address) of each node; the first address is the bridge's, where tests run."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and `ip`")
    tag = secrets.token_hex(3)
    subnet = f"10.{secrets.randbelow(100) + 100}.{secrets.randbelow(250)}"
    bridge, made = f"cb{tag}", [f"cn{tag}{number}" for number in range(NODES)]
    try:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            _ip("addr", "add", f"{subnet}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            for number, name in enumerate(made):
                _add(name, f"{subnet}.{number + 2}/24", bridge, f"{tag}{number}")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces aren't possible here: {error.stderr}")
        yield [("", f"{subnet}.1")] + [
            (name, f"{subnet}.{number + 2}") for number, name in enumerate(made)
        ]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True, check=False)


def test_a_job_on_nodes_with_their_own_addresses(
    network: list[tuple[str, str]], tiny_model: Path
) -> None:
    (_, here), (head, head_address), *workers = network
    with _s3(here) as (endpoint, s3):
        s3.mkdir("bucket")
        for path in tiny_model.iterdir():
            s3.put_file(str(path), f"bucket/model/{path.name}")
        with s3.open("bucket/in/a.parquet", "wb") as file:
            pq.write_table(table(range(400)), file, row_group_size=10)
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "planted",
            "AWS_SECRET_ACCESS_KEY": "planted",
        }
        with LocalCluster(
            cpus=0, host=head_address, wrap=_inside(head), environment=environment
        ) as cluster:
            for name, address in workers:
                cluster.add(cpus=1, host=address, wrap=_inside(name))
            where = ["--address", cluster.address]
            done = submit("refresh", *where, *keys("bucket"), "cluster.replicas=2")
            assert done.returncode == 0, done.stdout + done.stderr
            assert "400 compressed" in done.stdout
            assert len(files_with_times(s3, "bucket")) == 20
            checked = submit("verify", *where, "s3://bucket/out")
            assert checked.returncode == 0, checked.stdout + checked.stderr


@contextmanager
def _s3(host: str) -> Iterator[tuple[str, Any]]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=host, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        yield (
            endpoint,
            fsspec.filesystem(
                "s3", endpoint_url=endpoint, key="test", secret="test", use_listings_cache=False
            ),
        )
    finally:
        server.stop()


def _inside(namespace: str) -> list[str]:
    return ["ip", "netns", "exec", namespace]


def _add(name: str, address: str, bridge: str, tag: str) -> None:
    outer, inner = f"vo{tag}", f"vi{tag}"
    _ip("netns", "add", name)
    _ip("link", "add", outer, "type", "veth", "peer", "name", inner)
    _ip("link", "set", outer, "master", bridge, "up")
    _ip("link", "set", inner, "netns", name)
    _ip("-n", name, "addr", "add", address, "dev", inner)
    _ip("-n", name, "link", "set", inner, "up")
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "route", "add", "default", "via", address.rpartition(".")[0] + ".1")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
