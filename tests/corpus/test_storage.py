"""Storage: listing, whole writes, messages; local and on S3."""

import os
import pickle
from pathlib import Path
from typing import Any

import fsspec
import pytest

from compressor.corpus.storage import Storage, apart
from compressor.errors import InputError


def at(url: str | Path, options: dict[str, Any] | None = None) -> Storage:
    return Storage.at(str(url), options, key="output.path")


@pytest.fixture
def bucket(s3_options: dict[str, Any]) -> str:
    name = f"storage-{os.urandom(4).hex()}"
    fsspec.filesystem("s3", **s3_options).mkdir(name)
    return name


def test_a_local_path_means_the_same_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = at("data/")
    assert pickle.loads(pickle.dumps(storage)).url == str(tmp_path / "data")


def test_a_local_write_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = at(tmp_path)
    storage.put("_stats/a.json", b"{}")
    storage.put("part.parquet", b"first")
    storage.put("part.parquet", b"second")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.put("other.parquet", b"x" * 100)

    assert storage.read("part.parquet") == b"second"
    assert storage.names() == ["_stats", "_tmp", "part.parquet"]
    storage.clear_scratch()
    assert storage.names() == ["_stats", "part.parquet"]


def test_s3_writes_lists_and_reads(bucket: str, s3_options: dict[str, Any]) -> None:
    storage = at(f"s3://{bucket}/corpus/", s3_options)
    assert storage.names() == []

    storage.put("part-1.parquet", b"one")
    storage.put("_stats/summary.json", b"{}")

    assert storage.names() == ["_stats", "part-1.parquet"]
    assert storage.read("part-1.parquet") == b"one"
    (entry,) = storage.files()
    assert (entry.path, entry.size) == (f"{bucket}/corpus/part-1.parquet", 3)
    assert len(entry.version) == 32  # an ETag


def test_a_prefix_is_not_a_folder(bucket: str, s3_options: dict[str, Any]) -> None:
    at(f"s3://{bucket}/corpus-old", s3_options).put("a.parquet", b"a")

    assert at(f"s3://{bucket}/corpus", s3_options).names() == []
    with pytest.raises(FileNotFoundError):
        at(f"s3://{bucket}/corpus", s3_options).files()


@pytest.mark.parametrize("path", ["nowhere/x", "nowhere/*.parquet", "nowhere"])
def test_unknown_bucket(path: str, s3_options: dict[str, Any]) -> None:
    storage = at(f"s3://{path}", s3_options)
    with pytest.raises(InputError, match=r"output\.path: s3://nowhere.*: no such bucket"):  # noqa: SIM117
        with storage.explained():
            storage.files()
    if "*" not in path:
        with pytest.raises(InputError, match="no such bucket"), storage.explained():
            storage.names()


def test_no_credentials(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    storage = at("s3://some/where", {"endpoint_url": s3_server})
    with pytest.raises(InputError, match="no credentials"), storage.explained():
        storage.files()


@pytest.mark.parametrize(
    ("url", "reason"), [("foo://x/y", "Protocol not known: foo"), ("abfs://x/y", "adlfs")]
)
def test_unknown_protocol(url: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        at(url)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("/a/in", "/a/out", True),
        ("/a/in", "/a/in-compressed", True),
        ("/a/in", "/a/in", False),
        ("/a/in", "/a/in/out", False),
        ("/a/in/deep", "/a/in", False),
        ("/a/*.parquet", "/a/out", True),
        ("/a/*.parquet", "/a", False),
        ("/a/**/*.parquet", "/a/out", False),
        ("s3://b/in", "s3://b/out", True),
        ("s3://b/in", "s3://b/in/", False),
        ("/b/in", "s3://b/in", True),
    ],
)
def test_output_lies_apart_from_input(source: str, target: str, expected: bool) -> None:
    assert apart(at(source), at(target)) is expected
