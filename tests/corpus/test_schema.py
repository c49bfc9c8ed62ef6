"""Unifying schemas: promotion without loss, refusal with names."""

import pyarrow as pa
import pytest

from compressor.corpus.files import SourceFile
from compressor.corpus.schema import unify
from compressor.errors import InputError


def file(name: str, *fields: pa.Field, metadata: dict[str, str] | None = None) -> SourceFile:
    return SourceFile(name, 0, "", (), pa.schema(list(fields), metadata=metadata))


def joined(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    files = [file("a.parquet", pa.field("x", left)), file("b.parquet", pa.field("x", right))]
    return unify(files, "input.path").field("x").type


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.uint8(), pa.int64(), pa.int64()),
        (pa.int32(), pa.float64(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.null(), pa.list_(pa.string()), pa.list_(pa.string())),
        (pa.string(), pa.large_string(), pa.large_string()),
        (pa.decimal128(10, 2), pa.decimal128(12, 4), pa.decimal128(12, 4)),
        (pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC")),
        (pa.dictionary(pa.int32(), pa.string()), pa.string(), pa.string()),
        (pa.list_(pa.int32()), pa.list_(pa.int64()), pa.list_(pa.int64())),
        (pa.list_(pa.float32(), 2), pa.list_(pa.float32()), pa.list_(pa.float32())),
        (
            pa.struct([("a", pa.int32())]),
            pa.struct([("a", pa.int64()), ("b", pa.string())]),
            pa.struct([("a", pa.int64()), ("b", pa.string())]),
        ),
        (
            pa.map_(pa.string(), pa.int32()),
            pa.map_(pa.string(), pa.int64()),
            pa.map_(pa.string(), pa.int64()),
        ),
    ],
)
def test_promotes_without_loss(
    left: pa.DataType, right: pa.DataType, expected: pa.DataType
) -> None:
    assert joined(left, right) == expected
    assert joined(right, left) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pa.int64(), pa.string()),
        (pa.int64(), pa.float64()),  # 2**53 + 1 would change
        (pa.int64(), pa.uint64()),
        (pa.string(), pa.binary()),
        (pa.timestamp("us", "UTC"), pa.timestamp("us")),
        (pa.float64(), pa.decimal128(10, 2)),
        (pa.list_(pa.int64()), pa.list_(pa.float64())),
        (pa.struct([("a", pa.int64())]), pa.struct([("a", pa.string())])),
        (pa.list_(pa.string()), pa.string()),
    ],
)
def test_refuses_what_would_change_values(left: pa.DataType, right: pa.DataType) -> None:
    with pytest.raises(InputError, match=r"b\.parquet: column 'x' is .* in a\.parquet"):
        joined(left, right)


def test_missing_columns_become_nullable_and_metadata_is_the_firsts() -> None:
    required = pa.field("id", pa.int64(), nullable=False, metadata={"unit": "one"})
    some = pa.field("some", pa.string(), nullable=False)
    first = file("a.parquet", required, metadata={"owner": "first"})
    second = file("b.parquet", some, required, metadata={"owner": "second"})

    schema = unify([first, second, first], "input.path")

    assert schema.names == ["id", "some"]
    assert not schema.field("id").nullable
    assert schema.field("id").metadata == {b"unit": b"one"}
    assert schema.field("some").nullable
    assert schema.metadata == {b"owner": b"first"}
