"""The digest is of the content and of nothing else, remembered or not."""

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.errors import InputError
from compressor.models import digest as module
from compressor.models.digest import cache_root, digest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPRESSOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the files had lain there for a while."""
    monkeypatch.setattr(module, "SETTLED_SECONDS", 0.01)
    time.sleep(0.02)


def test_copies_have_the_same_and_other_files_do_not_count(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text("# A model")
    assert digest(copy) == digest(folder)
    (copy / "config.json").rename(copy / "other.json")
    assert digest(copy) != digest(folder)


def test_a_remembered_digest_spares_the_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(folder, monkeypatch)
    first = digest(folder)
    monkeypatch.setattr(hashlib, "file_digest", lambda *arguments: pytest.fail("it reads"))
    assert digest(folder) == first


def test_young_files_are_not_remembered(folder: Path, cache: Path) -> None:
    digest(folder)
    assert not (cache / "digests").exists()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["config.json", "model.safetensors"]),
    data=st.binary(min_size=1, max_size=9),
    keeps_times=st.booleans(),
)
def test_any_change_is_seen(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, keeps_times: bool
) -> None:
    """Of whatever size, and by a tool that sets the time of the change back, too."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    with pytest.MonkeyPatch.context() as patch:
        settle(folder, patch)
        before = digest(folder)
        path, old = folder / name, (folder / name).read_bytes()
        times = path.stat()
        path.write_bytes(data)
        if keeps_times:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert (digest(folder) == before) == (data == old)
        path.write_bytes(old)
        assert digest(folder) == before


def test_without_a_place_to_remember(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(folder, monkeypatch)
    expected = digest(folder)
    monkeypatch.setenv("COMPRESSOR_CACHE", "/proc/nothing")
    assert digest(folder) == expected


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("COMPRESSOR_CACHE")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="COMPRESSOR_CACHE: this user has no home"):
        cache_root()
