"""A shard travels unharmed: types, metadata, no rows at all."""

from typing import Any

import pyarrow as pa

from compressor.pipeline.payload import pack, unpack


def test_tables_come_back_as_they_were(every_type: Any) -> None:
    block = pa.concat_tables(
        [pack({"index": 1}, every_type), pack({"index": 2}, every_type.slice(0, 0))]
    )

    (first, table), (second, empty) = unpack(block)

    assert (first, second) == ({"index": 1}, {"index": 2})
    assert table.schema.equals(every_type.schema, check_metadata=True)
    assert str(table.to_pylist()) == str(every_type.to_pylist())
    assert empty.schema.equals(every_type.schema, check_metadata=True)
    assert empty.num_rows == 0
