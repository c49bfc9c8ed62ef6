"""The whole job on real Ray, local files: rows, bytes, reruns."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.errors import InputError, JobError
from tests.conftest import TEXTS

Job = Callable[..., dict[str, Any]]
SHARDS = "cluster.rows_per_shard=14"


def corpus(folder: Path, rows: int = 60, files: int = 3, **columns: list[Any]) -> Path:
    folder.mkdir()
    for number in range(files):
        texts = [f"{TEXTS[row % 5]} {row}" for row in range(rows // files)]
        ids = [number * (rows // files) + row for row in range(rows // files)]
        table = pa.table({"id": ids, "text": texts, **columns})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=7)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, compress: Job) -> Path:
    """A folder with the input `in` and the finished output `out` of one job."""
    folder = tmp_path_factory.mktemp("done")
    compress(corpus(folder / "in"), folder / "out", SHARDS)
    return folder


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """The same output in a folder that a test may change."""
    return Path(shutil.copytree(done / "out", tmp_path / "out"))


def test_every_row_once_in_order_with_statistics(done: Path) -> None:
    source, target = done / "in", done / "out"
    summary = json.loads((target / "_stats" / "summary.json").read_text())

    table = pq.read_table(target)
    assert table["id"].to_pylist() == list(range(60))
    assert table["text"].to_pylist() == pq.read_table(source)["text"].to_pylist()
    assert set(table["status"].to_pylist()) == {"ok"}
    assert summary["rows"] == 60
    assert summary["rows_by_status"] == {"ok": 60, "empty": 0, "error": 0}
    assert summary["original_tokens"] == sum(table["original_tokens"].to_pylist())
    assert summary["compressed_tokens"] == sum(table["compressed_tokens"].to_pylist())
    assert 0.4 < summary["rate"] < 0.55
    assert summary["tokens_per_second"] > 0
    shards = pq.read_table(target / "_stats" / "shards.parquet").to_pylist()
    assert [shard["file"] for shard in shards] == sorted(contents(target))
    assert sum(shard["rows"] for shard in shards) == 60
    assert {path.name for path in target.iterdir()} - set(contents(target)) == {"_stats"}


def test_one_and_two_replicas_write_the_same_bytes(tmp_path: Path, compress: Job) -> None:
    source = corpus(tmp_path / "in")
    for replicas in (1, 2):
        compress(
            source,
            tmp_path / str(replicas),
            "cluster.rows_per_shard=7",
            f"cluster.replicas={replicas}",
            "cluster.cpus_per_replica=1",
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) == 9


def test_a_rerun_does_only_what_is_missing(done: Path, copy: Path, compress: Job) -> None:
    first = json.loads((copy / "_stats" / "summary.json").read_text())
    before = contents(copy)
    gone = sorted(before)[1]
    (copy / gone).unlink()
    (copy / "_tmp").mkdir()
    (copy / "_tmp" / "left.part").write_bytes(b"half")
    times = {path.name: path.stat().st_mtime_ns for path in copy.glob("*.parquet")}

    second = compress(done / "in", copy, SHARDS)

    assert contents(copy) == before
    after = {path.name: path.stat().st_mtime_ns for path in copy.glob("*.parquet")}
    assert {name for name in after if times.get(name) != after[name]} == {gone}
    assert second["output"]["resumed"] == len(before) - 1
    assert not (copy / "_tmp").exists()
    same = ("rows", "rows_by_status", "original_tokens", "compressed_tokens", "rate_quantiles")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}

    third = compress(done / "in", copy, SHARDS)
    assert third["output"]["resumed"] == len(before)
    assert third["rows"] == 60


def test_another_job_does_not_mix_with_the_output(done: Path, copy: Path, compress: Job) -> None:
    before = contents(copy)
    with pytest.raises(InputError, match=r"not empty \(written with compression.rate=0.5\)"):
        compress(done / "in", copy, SHARDS, "compression.rate=0.3")
    assert contents(copy) == before

    record = copy / "_stats" / "configuration.json"
    written = json.loads(record.read_text())
    del written["compression"]["coarse"]  # by a version that had no such key
    record.write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"not empty \(written with compression.coarse=none\)"):
        compress(done / "in", copy, SHARDS, "compression.coarse=sentence")


def test_no_rows_give_an_empty_file_with_the_schema(tmp_path: Path, compress: Job) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), source / "a.parquet")

    summary = compress(source, target)

    table = pq.read_table(target)
    assert table.num_rows == summary["rows"] == 0
    assert table.schema.field("compressed_tokens").type == pa.int32()
    assert summary["rate"] is None


def test_bad_rows_have_a_status_and_the_rest_goes_on(tmp_path: Path, compress: Job) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    texts = [TEXTS[0], None, " ", TEXTS[1], TEXTS[2]]
    table = pa.table({"text": texts, "rate": [0.5, None, None, 7.0, 0.2]})
    pq.write_table(table, source / "a.parquet")

    summary = compress(source, target, "compression.rate_column=rate")

    rows = pq.read_table(target).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "empty", "empty", "error", "ok"]
    assert summary["rows_by_status"] == {"ok": 2, "empty": 2, "error": 1}


def test_one_threshold_for_the_corpus(tmp_path: Path, compress: Job) -> None:
    source, target = corpus(tmp_path / "in", rows=300), tmp_path / "out"
    settings = ["compression.scope=corpus", "cluster.rows_per_shard=50"]

    summary = compress(source, target, *settings)

    assert 0 < summary["threshold"] < 1
    assert abs(summary["rate"] - 0.5) < 0.1
    sorted(target.glob("*.parquet"))[0].unlink()
    before = contents(target)
    again = compress(source, target, *settings)
    assert again["threshold"] == summary["threshold"]
    assert summary["calibration_seconds"] > 0
    assert again["calibration_seconds"] is None  # the files that are there have the threshold
    assert contents(target).items() >= before.items()


def test_a_request_that_the_cluster_can_not_meet(tmp_path: Path, compress: Job) -> None:
    source, target = corpus(tmp_path / "in"), tmp_path / "out"
    with pytest.raises(InputError, match=r"cluster\.replicas: .* has room for 0"):
        compress(source, target, "cluster.cpus_per_replica=100")
    with pytest.raises(InputError, match="cuda is asked for"):
        compress(source, target, "model.device=cuda")
    assert not target.exists()


def test_settings_that_the_engine_refuses_stop_the_job(tmp_path: Path, compress: Job) -> None:
    source, target = corpus(tmp_path / "in"), tmp_path / "out"
    with pytest.raises(InputError, match="compression"):
        compress(source, target, "compression.tokenizer=/no/such/tokenizer")


def test_a_model_that_does_not_load_stops_the_job(
    tmp_path: Path, compress: Job, tiny_model: Path
) -> None:
    broken = tmp_path / "model"
    broken.mkdir()
    for path in tiny_model.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.safetensors").write_bytes(b"not weights")
    source, target = corpus(tmp_path / "in"), tmp_path / "out"

    with pytest.raises((InputError, JobError)):
        compress(source, target, f"model.name={broken}")
    assert contents(target) == {}


def test_a_damaged_page_fails_the_job_and_names_the_file(tmp_path: Path, compress: Job) -> None:
    source, target = corpus(tmp_path / "in"), tmp_path / "out"
    path = source / "1.parquet"
    data = bytearray(path.read_bytes())
    data[4:80] = b"\xff" * 76
    path.write_bytes(data)

    with pytest.raises(JobError, match=r"1\.parquet: row group \d+ can't be read"):
        compress(source, target)
