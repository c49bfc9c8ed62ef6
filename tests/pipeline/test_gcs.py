"""Google Cloud Storage: the cookbook's command, against an emulator of its API."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pyarrow.parquet as pq
import pytest

from compressor.corpus.demo import corpus
from tests.pages import DOCS, ROOT, commands

pytestmark = pytest.mark.slow
ROWS = 12


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A filesystem with an empty bucket `bucket`."""
    for package in ("gcsfs", "gcp_storage_emulator"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed (extra `slow`)")
    # Else gcsfs asks by gRPC, which the emulator doesn't speak, and waits a minute for each answer.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    from gcp_storage_emulator.server import create_server

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    import gcsfs

    yield gcsfs.GCSFileSystem(token="anon", skip_instance_cache=True, use_listings_cache=False)
    server.stop()


def test_the_command_of_the_cookbook_runs(storage: Any, tiny_model: Any) -> None:
    """A rerun does nothing, and `verify` has nothing to complain about."""
    (line,) = (line for line in commands(DOCS / "cookbook" / "storage.md") if "gs://" in line)
    _, *words = shlex.split(line)
    with storage.open("bucket/corpus/a.parquet", "wb") as file:
        pq.write_table(corpus().slice(0, ROWS), file)
    anonymous = ["input.storage_options.token=anon", "output.storage_options.token=anon"]

    run([*words, f"model.name={tiny_model}", *anonymous])
    (written,) = storage.glob("bucket/corpus-compressed/*.parquet")
    version = storage.info(written)["generation"]
    run([*words, f"model.name={tiny_model}", *anonymous])
    said = run(["verify", "gs://bucket/corpus-compressed/", *anonymous])

    assert pq.read_table(written, filesystem=storage).num_rows == ROWS
    assert storage.info(written)["generation"] == version
    assert f"{ROWS} rows in 1 files" in said


def run(words: list[str]) -> str:
    program = [sys.executable, "-c", "from compressor.cli import main; main()"]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [*program, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout
