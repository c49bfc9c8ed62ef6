"""What others read of a published table: DuckDB, Polars, pandas, pyarrow, Ray; while it changes."""

import os
import threading
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import DeltaTable

from compressor.config import CompressConfig
from compressor.corpus.delta_storage import location
from compressor.corpus.files import source_files
from compressor.corpus.storage import Storage
from compressor.pipeline.refresh import refresh
from compressor.schema import load
from tests.pipeline.corpora import by_id, table, write_files

VECTOR = pa.list_(pa.float32(), 2)


def renew(source: Any, target: Any, model: Path, *settings: str) -> int | None:
    places = [f"input.path={source}", f"output.path={target}", f"model.name={model}"]
    return refresh(load(CompressConfig, None, [*places, "model.dtype=float32", *settings])).version


def test_everyone_reads_the_last_version_from_s3(
    s3_options: dict[str, Any], tiny_model: Path, ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    bucket = f"table-{os.urandom(4).hex()}"
    filesystem = fsspec.filesystem("s3", **s3_options)
    filesystem.mkdir(bucket)
    options = yaml.safe_dump(s3_options, default_flow_style=True)
    sections = [f"{end}.storage_options={options}" for end in ("input", "output")]
    for version, rows in enumerate((range(10), range(5, 25))):
        wide = table(rows).append_column("vector", pa.array([[0.5, 1.0]] * len(rows), VECTOR))
        with filesystem.open(f"{bucket}/in/a.parquet", "wb") as sink:
            pq.write_table(wide, sink)
        place = f"s3://{bucket}/in", f"s3://{bucket}/out"
        assert renew(*place, tiny_model, *sections) == version

    uri, given = location(Storage(f"s3://{bucket}/out", s3_options, "output.path"))
    opened = DeltaTable(uri, storage_options=given)
    rows = by_id(opened.to_pyarrow_table())
    assert [row["id"] for row in rows] == list(range(5, 25))
    assert rows[0]["vector"] == [0.5, 1.0]
    assert sorted(opened.to_pandas()["id"]) == list(range(5, 25))
    polars = pl.read_delta(uri, storage_options=given).sort("id")
    assert polars.to_dicts() == rows
    found = duckdb.from_arrow(opened.to_pyarrow_dataset()).order("id")
    assert found.select("compressed_text").fetchall() == [(r["compressed_text"],) for r in rows]
    assert by_id(pa.table(ray.data.read_delta(uri, storage_options=given).to_pandas())) == rows
    past = DeltaTable(uri, storage_options=given, version=0).to_pyarrow_table()
    assert sorted(past["id"].to_pylist()) == list(range(10))
    files = source_files(Storage(f"s3://{bucket}/out", s3_options, "input.path"))
    assert sum(file.rows for file in files) == 20  # our own jobs read the last version, too


@pytest.mark.slow
def test_a_reader_never_sees_a_mixture(tmp_path: Path, tiny_model: Path, ray_session: None) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    seen: list[str] = []
    stop = threading.Event()

    def content(version: int | None = None) -> str:
        opened = DeltaTable(str(target), version=version)
        return repr(by_id(opened.to_pyarrow_table()))

    def read() -> None:
        while not stop.is_set():
            seen.append(content())

    settings = ["cluster.rows_per_shard=14"]
    write_files(source, [table(range(60))])
    renew(source, target, tiny_model, *settings)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for edition in range(1, 11):
            write_files(
                source, [table(range(60 + edition), dict.fromkeys(range(0, 60, 7), edition))]
            )
            assert renew(source, target, tiny_model, *settings) == edition
    finally:
        stop.set()
        reader.join()

    versions = {content(version) for version in range(11)}
    assert len(versions) == 11
    assert set(seen) <= versions
    assert len(set(seen)) > 3
