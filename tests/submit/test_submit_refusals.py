"""What keeps a job from running on a cluster is one line and exit code 2 within a minute.

Each against a real cluster that is wrong in that way.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.submit.local_cluster import LocalCluster, free_ports, submit

MINUTE = 60
PATHS = ["input.path=s3://b/in/", "output.path=s3://b/out/"]
TOKEN = "right-token-0123456789abcdef0123456789abcdef"


def refused(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """The one line on stderr."""
    started = time.monotonic()
    done = submit(*arguments, environment=environment, timeout=2 * MINUTE)
    assert done.returncode == 2, done.stdout + done.stderr
    assert time.monotonic() - started < MINUTE
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@contextmanager
def listener(reply: bytes | None) -> Iterator[str]:
    """Somebody who is no cluster: answers each request with `reply`, or never."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if reply is not None:
                    connection.recv(4096)
                    connection.sendall(reply)
                    connection.close()

        kept: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_no_cluster_there() -> None:
    (port,) = free_ports(1)
    for address, said in (
        (f"http://127.0.0.1:{port}", "no cluster can be reached"),
        ("http://no-such-host.invalid:8265", "no cluster can be reached"),
        ("ray://127.0.0.1:10001", "wants the URL of the cluster's dashboard"),
    ):
        assert said in refused("compress", "--address", address, *PATHS)
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    with listener(page) as address:
        assert "--address" in refused("compress", "--address", address, *PATHS)
    assert "--address" in refused("compress", *PATHS)


@pytest.mark.slow
def test_a_cluster_that_does_not_answer() -> None:
    with listener(None) as address:
        line = refused("compress", "--address", address, *PATHS)
    assert "no cluster can be reached" in line


@pytest.mark.slow
def test_token() -> None:
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    with LocalCluster(environment=environment) as cluster:
        where = ["--address", cluster.address]
        line = refused("compress", *where, *PATHS)
        assert "wants a token; set RAY_AUTH_MODE=token" in line
        wrong = {**environment, "RAY_AUTH_TOKEN": TOKEN.replace("right", "wrong")}
        line = refused("compress", *where, *PATHS, environment=wrong)
        assert "refuses the token" in line
        assert "token-0123" not in line
        lost = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/no/such/file"}
        line = refused("compress", *where, *PATHS, environment=lost)
        assert "RAY_AUTH_TOKEN_PATH" in line
        # With the right one the job runs, and fails for want of a bucket.
        arguments = ["input.path=/no/such/corpus", "output.path=/tmp/out"]
        line = refused("compress", *where, *arguments, environment=environment)
        assert line == "error: input.path: /no/such/corpus: no such file or directory"
        session = b"".join(path.read_bytes() for path in cluster.logs())
        assert TOKEN.encode() not in session


@pytest.mark.slow
def test_gpus_where_none_can_come_and_an_unset_secret(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a text"]}), tmp_path / "a.parquet")
    paths = [f"input.path={tmp_path}/a.parquet", f"output.path={tmp_path}/out"]
    where = ["--address", cluster.address]
    for key in ("model.device=cuda", "cluster.gpus_per_replica=1"):
        line = refused("compress", *where, *paths, key)
        assert line.startswith(f"error: {key.partition('=')[0].replace('gpus_per_', '')[:9]}")
        assert "GPU" in line
    line = refused("compress", *where, *paths, "--secret", "NOT_SET_ANYWHERE")
    assert line.startswith("error: --secret NOT_SET_ANYWHERE: isn't set")


@pytest.mark.slow
def test_buckets_that_the_cluster_cannot_read(s3_server: str) -> None:
    """An endpoint that refuses connections, and one that never answers; the client knows neither.

    The first is known to the cluster's environment, the second stands in the configuration.
    """
    (port,) = free_ports(1)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with LocalCluster(environment=environment) as cluster, listener(None) as silent:
        where = ["--address", cluster.address]
        model = "model.name=default"
        line = refused("compress", *where, *PATHS, model)
        assert line.startswith("error: input.path: s3://b/in/: can't reach the storage")
        options = [f"{part}.storage_options.endpoint_url={silent}" for part in ("input", "output")]
        for job in ("compress", "refresh"):
            line = refused(job, *where, *PATHS, *options, model)
            assert "s3://b/" in line
        there = [f"{part}.storage_options.endpoint_url={s3_server}" for part in ("input", "output")]
        line = refused("refresh", *where, *PATHS, *there, model)
        assert "no such bucket" in line


@pytest.mark.slow
def test_python_on_the_head_node_lacks_packages(tmp_path: Path) -> None:
    """`python` on its PATH is a bare one, though Ray itself runs in another environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with LocalCluster(python=tmp_path / "bare" / "bin") as cluster:
        line = refused("compress", "--address", cluster.address, *PATHS)
    assert "lacks click, deltalake" in line
    assert "torch" in line


@pytest.mark.slow
def test_another_python_on_the_head_node(tmp_path: Path) -> None:
    other = _another_python()
    if other is None:
        pytest.skip("no other version of Python on this machine")
    (tmp_path / "python").symlink_to(other)
    with LocalCluster(python=tmp_path) as cluster:
        line = refused("compress", "--address", cluster.address, *PATHS)
    assert "`python` on the head node" in line
    assert f"here is {sys.version_info[0]}.{sys.version_info[1]}" in line


@pytest.mark.slow
def test_another_ray_on_the_cluster(tmp_path: Path) -> None:
    """A cluster that runs from a copy of Ray that calls itself by another version."""
    import ray

    copy = tmp_path / "ray"
    copy.mkdir()
    for path in Path(ray.__file__).parent.iterdir():
        if path.name not in {"_version.py", "__pycache__", "__init__.py"}:
            (copy / path.name).symlink_to(path)
    original = Path(ray.__file__).parent
    shutil.copyfile(original / "__init__.py", copy / "__init__.py")
    version = (original / "_version.py").read_text().replace(ray.__version__, "2.59.9")
    (copy / "_version.py").write_text(version)
    with LocalCluster(environment={"PYTHONPATH": str(tmp_path)}) as cluster:
        line = refused("compress", "--address", cluster.address, *PATHS)
    assert f"runs Ray 2.59.9, here is {ray.__version__}; install the same" in line


@pytest.mark.slow
def test_code_travels_to_a_cluster_without_it(tmp_path: Path) -> None:
    """Its Python has all packages but this one; code and weights go along, to every node."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["A text of a few words."] * 20}), tmp_path / "a.parquet")
    with LocalCluster(environment={"PYTHONPATH": ""}) as cluster:
        done = submit(
            *("compress", "--address", cluster.address),
            *(f"input.path={tmp_path}/a.parquet", f"output.path={tmp_path}/out"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the cluster doesn't have this package: its code travels" in done.stdout
        assert pq.read_table(tmp_path / "out").num_rows == 20
        packages = list(cluster.folder.rglob("py_modules_files/*/compressor/cli.py"))
        assert len(packages) == 1


def _another_python() -> str | None:
    mine = f"python3.{sys.version_info.minor}"
    names = [f"python3.{minor}" for minor in range(8, 16)]
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    for folder in [*folders, *Path.home().glob(".pyenv/versions/*/bin")]:
        for name in names:
            path = folder / name
            if name != mine and path.exists() and "shims" not in str(path):
                return str(path)
    return None
