"""A disk that fills up during the job: one line, nothing half there, and a rerun completes it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compressor.errors import JobError
from tests.pipeline.corpora import table, write_files

Job = Callable[..., dict[str, Any]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for some of the output."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system needs rights that this user hasn't")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_a_full_disk(form: str, tmp_path: Path, small_disk: Path, compress: Job) -> None:
    source = write_files(tmp_path / "in", [table(range(400))], group=20)
    target = small_disk / "out"
    settings = [f"output.format={form}", "cluster.rows_per_shard=20"]

    with pytest.raises(JobError, match="No space left on device") as caught:
        compress(source, target, *settings)

    assert "\n" not in str(caught.value)
    assert str(target) in str(caught.value)
    assert not (target / "_stats" / "summary.json").exists()
    for path in target.glob("*.parquet"):
        assert len(pq.read_table(path)) == 20
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert compress(source, target, *settings)["rows"] == 400
    assert sum(len(pq.read_table(path)) for path in target.glob("*.parquet")) == 400
