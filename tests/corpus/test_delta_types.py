"""What Delta Lake can't hold is refused with a remedy; what it holds comes back."""

import json
import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction, create_table_with_add_actions

from compressor.corpus.delta_types import check_delta_types, delta_schema
from compressor.corpus.write import encode
from compressor.errors import InputError

REFUSED = [
    (pa.uint8(), "int16"),
    (pa.uint64(), "decimal128(20, 0) or a string"),
    (pa.float16(), "float32"),
    (pa.time32("ms"), "a string"),
    (pa.time64("us"), "a string"),
    (pa.timestamp("ns"), "timestamp[us]"),
    (pa.timestamp("s"), "timestamp[us]"),
    (pa.timestamp("ns", "UTC"), "timestamp[us, tz=UTC]"),
    (pa.timestamp("ms", "Europe/Paris"), "timestamp[ms, tz=UTC]"),
    (pa.duration("us"), "int64"),
    (pa.decimal256(50, 0), "decimal128"),
    (pa.null(), "a type with values"),
    (pa.uuid(), "a plain number, string or binary"),
    (pa.list_(pa.time64("us")), "a string"),
    (pa.map_(pa.string(), pa.uint16()), "int32"),
    (pa.struct([("a", pa.struct([("b", pa.float16())]))]), "float32"),
    (pa.dictionary(pa.int8(), pa.uint32()), "int64"),
]


@pytest.mark.parametrize(("kind", "remedy"), REFUSED, ids=str)
def test_refused_with_a_remedy(kind: pa.DataType, remedy: str) -> None:
    schema = pa.schema([("text", pa.string()), ("odd", kind)])
    with pytest.raises(InputError) as refused:
        check_delta_types(schema, "input.path")
    line = str(refused.value)
    assert line.startswith("input.path: column 'odd' is ")
    assert f"convert it to {remedy}" in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["two words", "a,b", "x=1", "tab\t"])
def test_names_that_delta_forbids(name: str) -> None:
    with pytest.raises(InputError, match="rename it"):
        check_delta_types(pa.schema([(name, pa.string())]), "input.path")
    with pytest.raises(InputError, match="rename it"):
        check_delta_types(pa.schema([("s", pa.struct([(name, pa.int8())]))]), "input.path")


def test_names_that_differ_in_case_only() -> None:
    with pytest.raises(InputError, match="'Id' and 'id' differ in case only"):
        check_delta_types(pa.schema([("Id", pa.string()), ("id", pa.string())]), "input.path")


def test_all_other_types_are_read_by_everyone(tmp_path: Path, every_type: Any) -> None:
    """Fixed sizes, dictionaries and large strings too: the files have Parquet's own types."""
    table = kept_types(every_type)
    check_delta_types(table.schema, "input.path")
    data = encode(table, plain=True)
    (tmp_path / "part.parquet").write_bytes(data)
    stats = json.dumps({"numRecords": table.num_rows})
    now = int(time.time() * 1000)
    create_table_with_add_actions(
        str(tmp_path),
        delta_schema(table.schema),
        [AddAction("part.parquet", len(data), {}, now, True, stats)],
    )

    opened = DeltaTable(str(tmp_path))
    wanted = [str(row) for row in table.to_pylist()]
    assert [str(row) for row in opened.to_pyarrow_table().to_pylist()] == wanted
    assert [str(row) for row in pl.read_delta(str(tmp_path)).to_dicts()] == [
        str(row) for row in pl.from_arrow(table).to_dicts()
    ]
    counted = duckdb.from_arrow(opened.to_pyarrow_dataset()).select("text, vector, price")
    assert counted.fetchall()[0][1] == [0.25, 0.5]
    assert len(opened.to_pandas()) == table.num_rows


def kept_types(table: pa.Table) -> pa.Table:
    """The columns that a Delta table may have."""
    names = []
    for field in table.schema:
        try:
            check_delta_types(pa.schema([field]), "input.path")
        except InputError:
            continue
        names.append(field.name)
    return table.select(names)
