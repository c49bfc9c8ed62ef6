"""Weights on storage: once to a node, whole or not at all, and the content that was planned."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from compressor.errors import InputError, JobError
from compressor.models.digest import digest
from compressor.models.resolve import resolve, resolve_tokenizer
from tests.models.requests_log import Requests, logged

FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": os.urandom(300_000),
    "tokenizer.json": b"{}",
}
DECISIVE = sorted(FILES)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPRESSOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def log() -> Requests:
    return Requests()


@pytest.fixture
def options(s3_server: str, log: Requests) -> Iterator[dict[str, Any]]:
    """`storage_options` for the server, by way of the log."""
    with logged(s3_server, log) as url:
        yield {"endpoint_url": url, "key": "test", "secret": "test"}


@pytest.fixture
def url(s3_options: dict[str, Any]) -> str:
    """A model on S3, put there past the log, with a file that is none of its."""
    url = f"s3://weights-{os.urandom(4).hex()}/mine"
    fsspec.filesystem("s3", **s3_options).mkdir(url.split("/")[2])
    put(url, s3_options, {**FILES, "README.md": b"# A model", "pytorch_model.bin": b"pickled"})
    return url


def put(url: str, s3_options: dict[str, Any], files: dict[str, bytes]) -> None:
    filesystem = fsspec.filesystem("s3", **s3_options)
    for name, data in files.items():
        filesystem.pipe_file(f"{url}/{name}", data)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_objects_are_fetched_once(url: str, options: dict[str, Any], log: Requests) -> None:
    first = resolve(url, options)
    assert contents(first) == FILES
    assert log.objects() == DECISIVE
    assert resolve(url, options) == first
    assert resolve(f"{url}/", options) == first
    assert log.objects() == DECISIVE
    asked = len(log.seen)
    assert resolve(url, options, expected=digest(first)) == first
    assert len(log.seen) == asked  # what is planned with and there isn't even looked for


def test_the_folder_is_read_only_and_named_by_its_content(
    url: str, options: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    folder = resolve(url, options)
    assert all(not path.stat().st_mode & 0o222 for path in folder.iterdir())
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert folder == cache / digest(copy)


def test_a_tokenizer_alone_takes_no_weights(
    url: str, options: dict[str, Any], log: Requests
) -> None:
    folder = resolve_tokenizer(url, options)
    assert sorted(contents(folder)) == ["config.json", "tokenizer.json"]
    assert log.objects() == ["config.json", "tokenizer.json"]
    assert contents(resolve(url, options)) == FILES


def test_a_changed_object_is_another_model(
    url: str, options: dict[str, Any], s3_options: dict[str, Any]
) -> None:
    before = resolve(url, options)
    planned = digest(before)
    put(url, s3_options, {"model.safetensors": os.urandom(300_000)})
    after = resolve(url, options)
    assert after != before
    assert contents(before) == FILES
    assert digest(after) != planned
    assert resolve(url, options, expected=planned) == before  # still here, still right


def test_another_node_notices_a_change(
    url: str, options: dict[str, Any], s3_options: dict[str, Any], cache: Path
) -> None:
    planned = digest(resolve(url, options))
    shutil.rmtree(cache)  # a node that starts later
    put(url, s3_options, {"config.json": b'{"model_type": "roberta"}'})
    with pytest.raises(JobError, match=r"model s3://.*/mine: is another one here than") as caught:
        resolve(url, options, expected=planned)
    assert "\n" not in str(caught.value)


def test_a_changed_local_folder_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    planned = digest(folder)
    assert resolve(str(folder), expected=planned) == folder
    changed = bytearray(FILES["model.safetensors"])
    changed[7] ^= 1  # of the same size
    (folder / "model.safetensors").write_bytes(changed)
    with pytest.raises(JobError, match="is another one here"):
        resolve(str(folder), expected=planned)


def test_a_damaged_copy_is_fetched_again(url: str, options: dict[str, Any], log: Requests) -> None:
    folder = resolve(url, options)
    planned = digest(folder)
    for damage in (b"", b"x" * 300_000):
        (folder / "model.safetensors").chmod(0o644)
        (folder / "model.safetensors").write_bytes(damage)
        assert contents(resolve(url, options, expected=planned)) == FILES
        (folder / "model.safetensors").chmod(0o644)
        (folder / "model.safetensors").write_bytes(damage)
        assert contents(resolve(url, options)) == FILES
    assert log.objects() == sorted(DECISIVE * 5)


def test_what_changes_during_the_fetch_is_fetched_again(
    url: str, options: dict[str, Any], s3_options: dict[str, Any], log: Requests
) -> None:
    """A model that is overwritten file by file: never half the old, half the new."""
    new = {**FILES, "config.json": b"{}", "model.safetensors": os.urandom(300_000)}

    def overwrite(method: str, path: str) -> None:
        if method == "GET" and "model.safetensors" in path:  # config.json is fetched by then
            log.before = lambda method, path: None
            put(url, s3_options, new)

    log.before = overwrite
    assert contents(resolve(url, options)) == new


def test_what_never_stands_still_is_refused(
    url: str, options: dict[str, Any], s3_options: dict[str, Any], log: Requests, cache: Path
) -> None:
    def overwrite(method: str, path: str) -> None:
        if method == "GET" and "model.safetensors" in path:
            put(url, s3_options, {"model.safetensors": os.urandom(300_000)})

    log.before = overwrite
    with pytest.raises(JobError, match="changes while it is fetched"):
        resolve(url, options)
    assert not [path for path in cache.iterdir() if path.is_dir() and path.suffix != ".part"]
    log.before = lambda method, path: None
    assert resolve(url, options).is_dir()


def fetch_alone(url: str, options: dict[str, Any], barrier: Any, found: Any) -> None:
    barrier.wait()
    found.put(str(resolve(url, options)))


def test_four_processes_fetch_once(url: str, options: dict[str, Any], log: Requests) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, found = spawn.Barrier(4), spawn.Queue()
    processes = [
        spawn.Process(target=fetch_alone, args=(url, options, barrier, found)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    folders = {found.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(folders) == 1
    assert log.objects() == DECISIVE


def test_a_kill_half_way_leaves_nothing_that_counts(
    url: str, options: dict[str, Any], log: Requests, cache: Path
) -> None:
    reached = False

    def hang(method: str, path: str) -> None:
        nonlocal reached
        if "tokenizer.json" in path:  # the last one
            reached = True
            time.sleep(5)

    log.before = hang
    code = f"from compressor.models.resolve import resolve; resolve({url!r}, {options!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 60
    while not reached:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    log.before = lambda method, path: None
    assert [path for path in cache.iterdir() if path.suffix == ".part"]

    other = resolve_tokenizer(url, options)  # another fetch takes the leftover away

    assert not list(cache.glob("*.part"))
    assert contents(resolve(url, options)) == FILES
    folders = {path for path in cache.iterdir() if path.is_dir()}
    assert folders == {other, resolve(url, options)}


def test_a_cache_that_can_not_be_written(
    url: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPRESSOR_CACHE", "/proc/nothing")
    with pytest.raises(InputError, match=r"fetched to /proc/nothing/models.*COMPRESSOR_CACHE"):
        resolve(url, options)


def test_an_unreadable_model(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"model s3://no-such.*can't be read|no model files"):
        resolve("s3://no-such-bucket-at-all/x", options)
    with pytest.raises(InputError, match="no model files there"):
        resolve(f"{url}/deeper", options)
