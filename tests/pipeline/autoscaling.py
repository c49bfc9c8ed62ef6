"""A cluster of one machine with Ray's real autoscaler: the nodes that it adds are raylets here.

`ray.cluster_utils.AutoscalingCluster` would do, but its start and its end call `ray stop`, which
ends every Ray of the machine.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.pipeline.nodes import wait_until

LISTS = (  # which a configuration must have
    *("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands"),
    *("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"),
    *("rsync_exclude", "rsync_filter"),
)
HEAD = "ray.head.default"
HEAD_ID = "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"  # the fake provider's own


@contextmanager
def autoscaling_cluster(
    groups: Mapping[str, tuple[Mapping[str, float], int]],
    *,
    head_cpus: int = 0,
    idle_minutes: float = 1.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The address of a cluster; `groups` are the resources of a node and how many may come."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    from ray.util import get_node_ip_address

    address = f"{get_node_ip_address()}:{port}"  # type: ignore[no-untyped-call]
    types: dict[str, Any] = {
        name: {"resources": dict(resources), "node_config": {}, "max_workers": most}
        for name, (resources, most) in groups.items()
    }
    types[HEAD] = {"resources": {"CPU": head_cpus}, "node_config": {}, "max_workers": 0}
    config = {
        "cluster_name": "fake",
        "max_workers": 8,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": idle_minutes,
        "provider": {
            "type": "external",  # "fake_multinode" wants a file that Ray's wheels lack
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": address,
            "head_node_id": HEAD_ID,
            "launch_multiple": True,
            "use_node_id_as_ip": True,  # for the first generation
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "auth": {},
        "docker": {},
        "available_node_types": types,
        "head_node_type": HEAD,
        "file_mounts": {},
        **{key: [] for key in LISTS},
    }
    with tempfile.TemporaryDirectory(prefix="fake") as folder:
        path = Path(folder) / "autoscaling.json"
        path.write_text(json.dumps(config))
        process = _start(path, port, head_cpus, folder, environment or {})
        try:
            wait_until(lambda: _listens(address), 60)
            yield address
        finally:
            _end(process)


def _start(
    config: Path, port: int, cpus: int, folder: str, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    ray = Path(sys.executable).with_name("ray")
    return subprocess.Popen(
        [
            *(str(ray), "start", "--head", "--block", f"--port={port}", f"--num-cpus={cpus}"),
            *(f"--autoscaling-config={config}", "--include-dashboard=false"),
            *(f"--temp-dir={folder}", "--object-store-memory=100000000"),
        ],
        env={
            **os.environ,
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
            "RAY_NODE_TYPE_NAME": HEAD,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError):
        socket.create_connection((host, int(port)), 1).close()
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """The cluster's processes and only these, wherever in the tree they are."""
    own = psutil.Process(process.pid)
    for _ in range(2):  # the monitor might start another while the first round is killed
        with suppress(psutil.NoSuchProcess):
            for child in own.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            time.sleep(0.2)
    process.kill()
    process.wait()
