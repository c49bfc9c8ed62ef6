"""Real Ray clusters of several nodes on this machine, each node its own `ray start --block`.

`ray stop` is never called: it would end every Ray on the machine. A node's processes are found
below its own `ray start`, and end with it.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0
STORE = str(100 * 2**20)


class LocalCluster:
    """A head node and what is added to it; `address` is that of its dashboard, `client` that of
    Ray's remote client.

    `wrap` goes before `ray start` (a network namespace), `environment` is that of all nodes.
    """

    def __init__(
        self,
        *,
        cpus: int = 2,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        host: str = "127.0.0.1",
        wrap: Sequence[str] = (),
    ) -> None:
        # A long path would not fit into the address of a Unix socket.
        self.folder = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))
        self.nodes: list[subprocess.Popen[bytes]] = []
        paths = [str(python)] if python else []
        paths += [str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            **(environment or {}),
        }
        self.port, dashboard = free_ports(2)
        self.host = host
        self.address = f"http://{host}:{dashboard}"
        try:
            self._start(
                "--head",
                f"--port={self.port}",
                f"--dashboard-host={host}",
                f"--dashboard-port={dashboard}",
                f"--temp-dir={self.folder}",
                cpus=cpus,
                host=host,
                wrap=wrap,
            )
            self._wait_for_dashboard()
        except BaseException:
            self.close()
            raise

    def add(
        self, *, cpus: int = 1, host: str | None = None, wrap: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Add a worker node and wait until it has joined.

        Two that start at once would take the same names for their sockets.
        """
        before = self._nodes()
        node = self._start(
            f"--address={self.host}:{self.port}", cpus=cpus, host=host or self.host, wrap=wrap
        )
        end = time.monotonic() + START_SECONDS
        while not self._nodes() - before:
            if time.monotonic() > end or node.poll() is not None:
                raise RuntimeError(f"no new node within {START_SECONDS} s")
            time.sleep(0.3)
        return node

    def _nodes(self) -> set[str]:
        """The ids of the nodes that are alive."""
        with urllib.request.urlopen(f"{self.address}/api/v0/nodes", timeout=30) as answer:
            nodes = json.load(answer)["data"]["result"]["result"]
        return {node["node_id"] for node in nodes if node["state"] == "ALIVE"}

    def logs(self) -> list[Path]:
        """Every file of the session: Ray's logs, the jobs' logs, what was sent."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def close(self) -> None:
        for node in self.nodes:
            kill(node.pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(
        self, *options: str, cpus: int, host: str, wrap: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        ports = free_ports(3)
        if "--head" in options:
            self.client = f"ray://{host}:{ports[2]}"
        program = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
        command = [
            *wrap,
            *program,
            "start",
            "--block",
            "--disable-usage-stats",
            f"--num-cpus={cpus}",
            "--num-gpus=0",
            f"--object-store-memory={STORE}",
            f"--node-ip-address={host}",
            f"--dashboard-agent-listen-port={ports[0]}",
            f"--metrics-export-port={ports[1]}",
            f"--ray-client-server-port={ports[2]}",
            *options,
        ]
        with (self.folder / f"start-{len(self.nodes)}.log").open("wb") as log:
            node = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(node)
        return node

    def _wait_for_dashboard(self) -> None:
        end = time.monotonic() + START_SECONDS
        token = self.environment.get("RAY_AUTH_TOKEN", "")
        request = urllib.request.Request(
            f"{self.address}/api/jobs/", headers={"Authorization": f"Bearer {token}"}
        )
        while time.monotonic() < end and self.nodes[0].poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5):
                return
            time.sleep(0.3)
        log = (self.folder / "start-0.log").read_text()
        raise RuntimeError(f"no head node within {START_SECONDS} s: {log[-2000:]}")


def raylet(node: subprocess.Popen[bytes]) -> psutil.Process:
    """The raylet of a node."""
    (found,) = (
        child
        for child in psutil.Process(node.pid).children(recursive=True)
        if child.name() == "raylet"
    )
    return found


def below(pid: int, words: str) -> list[psutil.Process]:
    """The Python processes below one whose command line has these words."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if words in " ".join(process.cmdline()) and process.name().startswith("python"):
                found.append(process)
    return found


def kill(pid: int) -> None:
    """SIGKILL a process and all below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def submit(
    *arguments: object, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """`compressor submit ...` in a process of its own."""
    return subprocess.run(
        submit_command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=client_environment(environment),
        timeout=timeout,
    )


def submit_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "jobs.submit", *map(str, arguments)]


def client_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of a client that has no credentials, whatever the tests themselves run with."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RAY_ADDRESS", "RAY_API"))
    }
    return {**kept, "RAY_AUTH_MODE": "disabled", **(more or {})}
