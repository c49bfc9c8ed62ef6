"""From S3 to S3 on real Ray: every column type passes through unchanged."""

import os
from collections.abc import Callable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
import yaml

Job = Callable[..., dict[str, Any]]


@pytest.fixture
def bucket(s3_options: dict[str, Any]) -> str:
    name = f"job-{os.urandom(4).hex()}"
    fsspec.filesystem("s3", **s3_options).mkdir(name)
    return name


def read(filesystem: Any, path: str) -> pa.Table:
    files = [name for name in filesystem.ls(path) if name.endswith(".parquet")]
    return pa.concat_tables(pq.read_table(filesystem.open(name)) for name in sorted(files))


def test_every_type_from_s3_to_s3(
    bucket: str, s3_options: dict[str, Any], compress: Job, every_type: pa.Table
) -> None:
    filesystem = fsspec.filesystem("s3", **s3_options)
    with filesystem.open(f"{bucket}/in/a.parquet", "wb") as sink:
        pq.write_table(every_type, sink, row_group_size=3)
    with filesystem.open(f"{bucket}/in/deep/b.parquet", "wb") as sink:  # other but compatible
        narrow = every_type.select(["text", "id", "label"]).append_column(
            "late", pa.array(range(every_type.num_rows))
        )
        pq.write_table(narrow.set_column(1, "id", narrow["id"].cast(pa.int32())), sink)
    options = yaml.safe_dump(s3_options, default_flow_style=True)

    summary = compress(
        f"s3://{bucket}/in",
        f"s3://{bucket}/out/",
        f"input.storage_options={options}",
        f"output.storage_options={options}",
        "cluster.rows_per_shard=4",
    )

    result = read(filesystem, f"{bucket}/out")
    rows = every_type.num_rows
    assert summary["rows"] == result.num_rows == 2 * rows
    passed = result.slice(0, rows)
    for name in every_type.column_names:
        assert passed.schema.field(name).type == every_type.schema.field(name).type, name
        assert str(passed[name].to_pylist()) == str(every_type[name].to_pylist()), name
    assert result["late"].to_pylist() == [None] * rows + list(range(rows))
    assert result["id"].to_pylist() == 2 * every_type["id"].to_pylist()
    assert result["embedding"].to_pylist()[rows:] == [None] * rows
    assert result["status"].to_pylist() == 2 * (["ok"] * 5 + ["empty"] * 2)
    assert "test" not in str(summary["configuration"]["input"])  # no secrets
    names = {name.rpartition("/")[2] for name in filesystem.ls(f"{bucket}/out")}
    assert {name for name in names if not name.endswith(".parquet")} == {"_stats"}


def test_other_readers_take_the_output_as_it_is(
    bucket: str, s3_options: dict[str, Any], compress: Job, every_type: pa.Table
) -> None:
    import pandas as pd
    import ray

    filesystem = fsspec.filesystem("s3", **s3_options)
    with filesystem.open(f"{bucket}/in/a.parquet", "wb") as sink:
        pq.write_table(every_type.select(["text", "id", "nothing", "zoned", "tags"]), sink)
    options = yaml.safe_dump(s3_options, default_flow_style=True)
    sections = [f"{end}.storage_options={options}" for end in ("input", "output")]
    compress(f"s3://{bucket}/in/*.parquet", f"s3://{bucket}/out", *sections)

    arrow = pa.fs.PyFileSystem(pa.fs.FSSpecHandler(filesystem))
    assert pq.read_table(f"{bucket}/out", filesystem=arrow).num_rows == 7
    assert ray.data.read_parquet(f"{bucket}/out", filesystem=arrow).count() == 7
    frame = pd.read_parquet(f"s3://{bucket}/out", storage_options=s3_options)
    assert frame["compressed_tokens"].dtype == "int32"
