"""Neither the driver nor a replica grows with the number of shards: a real job of many."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import TEXTS
from tests.pipeline import grown

PER_SHARD = 8
TEXT_REPEATS = 60  # a text of 5 KB, so a shard of 40 KB, which is many times what may remain of it


def job(tmp_path: Path, model: Path, shards: int, wave: int) -> dict[str, Any]:
    """What `tests.pipeline.grown` says."""
    source = tmp_path / "in"
    source.mkdir()
    texts = [f"{row} {TEXTS[row % 5] * TEXT_REPEATS}" for row in range(shards * PER_SHARD)]
    pq.write_table(pa.table({"text": texts}), source / "a.parquet", row_group_size=PER_SHARD)
    settings = [
        f"input.path={source}",
        f"output.path={tmp_path / 'out'}",
        f"model.name={model}",
        "model.dtype=float32",
        f"cluster.rows_per_shard={PER_SHARD}",
        "cluster.replicas=1",
        "cluster.cpus_per_replica=1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.grown", *settings],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, grown.LOG: str(tmp_path / "log"), grown.WAVE: str(wave)},
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["rows"] == len(texts)
    return said


@pytest.mark.slow  # 60 s
def test_the_driver_keeps_next_to_nothing_of_a_shard_when_its_wave_is_over(
    tmp_path: Path, tiny_model: Path
) -> None:
    said = job(tmp_path, tiny_model, shards=400, wave=100)
    _, second, *_, last = said["driver"]  # the first wave makes what Ray makes once
    assert len(said["driver"]) == 4
    print(f"driver: {(last - second) >> 10} KiB more after two more waves of 100 shards")
    # Ray itself leaves some 100 KB of each wave: classes that it makes, tables that it doubles.
    assert (last - second) / 200 < 2500  # bytes a shard


@pytest.mark.slow  # 50 s
def test_a_replica_does_not_grow(tmp_path: Path, tiny_model: Path) -> None:
    said = job(tmp_path, tiny_model, shards=400, wave=1000)
    (sizes,) = said["replicas"]
    assert len(sizes) == 400
    print(f"replica: {sizes[100] >> 20} MiB at its 100th shard, {sizes[-1] >> 20} at the last")
    assert (max(sizes[-50:]) - sizes[100]) / 300 < 20_000  # bytes, of the 40,000 of a shard
