"""Reading shards: every row once, in order, in the planned types."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.corpus.columns import text_columns
from compressor.corpus.plan import Plan, plan_corpus
from compressor.corpus.read import read_shards
from compressor.corpus.shards import read_units
from compressor.corpus.storage import Storage
from compressor.errors import JobError


def storage_at(path: Path) -> Storage:
    return Storage.at(str(path), key="input.path")


def plan_of(path: Path, rows_per_shard: int) -> Plan:
    return plan_corpus(
        storage_at(path),
        columns=text_columns("text"),
        rate_column=None,
        rows_per_shard=rows_per_shard,
        recipe="r",
    )


def read_all(path: Path, plan: Plan) -> list[pa.Table]:
    return [
        table
        for unit in read_units(plan.shards)
        for table in read_shards(storage_at(path), unit, plan.schema)
    ]


@pytest.mark.parametrize("group", [1, 3, 7, 100])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_every_row_comes_once_and_in_order(tmp_path: Path, group: int, limit: int) -> None:
    for number in range(3):
        rows = range(number * 20, number * 20 + 20)
        table = pa.table({"id": list(rows), "text": [str(row) for row in rows]})
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=group)

    plan = plan_of(tmp_path, limit)
    tables = read_all(tmp_path, plan)

    assert all(table.num_rows <= limit for table in tables)
    assert [table.num_rows for table in tables] == [shard.rows for shard in plan.shards]
    assert pa.concat_tables(tables)["id"].to_pylist() == list(range(60))


def test_every_type_passes_through(tmp_path: Path, every_type: Any) -> None:
    pq.write_table(every_type, tmp_path / "a.parquet", row_group_size=3)

    plan = plan_of(tmp_path, 2)
    table = pa.concat_tables(read_all(tmp_path, plan))

    assert table.schema.equals(every_type.schema)
    plain = pq.read_table(tmp_path / "a.parquet")  # names the elements of lists differently
    assert table.schema.equals(plain.schema, check_metadata=True)
    assert str(table.to_pylist()) == str(every_type.to_pylist())  # NaN is unequal to itself


def test_columns_that_a_file_lacks_are_null(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": ["a"], "n": pa.array([1], pa.int32())}), tmp_path / "a.parquet"
    )
    pq.write_table(pa.table({"n": pa.array([2**40]), "text": ["b"]}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"text": ["c"], "label": ["x"]}), tmp_path / "c.parquet")
    pq.write_table(
        pa.table({"n": [None], "text": pa.array([None], pa.null())}), tmp_path / "d.parquet"
    )

    (table,) = read_all(tmp_path, plan_of(tmp_path, 10))

    assert table.schema.field("n").type == pa.int64()
    assert table.to_pylist() == [
        {"text": "a", "n": 1, "label": None},
        {"text": "b", "n": 2**40, "label": None},
        {"text": "c", "n": None, "label": "x"},
        {"text": None, "n": None, "label": None},
    ]


def test_only_the_wanted_columns_are_read(tmp_path: Path, every_type: Any) -> None:
    pq.write_table(every_type, tmp_path / "a.parquet")

    plan = plan_of(tmp_path, 100)
    (table,) = read_shards(storage_at(tmp_path), plan.shards, plan.schema, ["text"])

    assert table.column_names == ["text"]


def test_parts_of_a_row_group_are_read_in_one_go(tmp_path: Path) -> None:
    table = pa.table({"id": range(5000), "text": ["x"] * 5000})
    pq.write_table(table, tmp_path / "a.parquet")

    plan = plan_of(tmp_path, 1000)
    (unit,) = read_units(plan.shards)
    some = [unit[1], unit[4]]  # a rerun asks for what is missing only
    tables = list(read_shards(storage_at(tmp_path), some, plan.schema))

    assert [piece["id"][0].as_py() for piece in tables] == [1000, 4000]
    assert [piece.num_rows for piece in tables] == [1000, 1000]


def test_a_damaged_page_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["some text"] * 500}), path, compression="zstd")
    plan = plan_of(path, 1000)
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)

    with pytest.raises(JobError, match=r"a\.parquet: row group 0 can't be read"):
        read_all(path, plan)
