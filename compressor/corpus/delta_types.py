"""What a Delta Lake table can't hold, found before the work. Input: an Arrow schema.

Delta has no unsigned integers, times of day, durations, half floats, nor timestamps finer than
microseconds or of another zone than UTC. `deltalake` maps some of these to a type that holds less
(uint8 to a signed byte), and readers differ on others, so the list is ours and strict.
"""

from collections.abc import Iterator

import pyarrow as pa
from deltalake import Schema
from pyarrow import types

from compressor.errors import InputError

FORBIDDEN = " ,;{}()\n\t="  # in names of columns, by the Delta protocol without column mapping
ELSE = "or publish with output.format=parquet"


def check_delta_types(schema: pa.Schema, key: str) -> None:
    """Raise `InputError` that names the first column that can't be published, and what to do."""
    names: dict[str, str] = {}
    for field in schema:
        for name in _names(field):
            if bad := [char for char in FORBIDDEN if char in name]:
                raise InputError(
                    f"{key}: column {field.name!r}: Delta Lake allows no {bad[0]!r} in the name "
                    f"{name!r}; rename it, {ELSE}"
                )
        twin = names.setdefault(field.name.lower(), field.name)
        if twin != field.name:
            raise InputError(
                f"{key}: columns {twin!r} and {field.name!r} differ in case only, which Delta Lake "
                f"doesn't allow; rename one, {ELSE}"
            )
        if problem := _problem(field.type):
            kind, remedy = problem
            raise InputError(
                f"{key}: column {field.name!r} is {field.type}: Delta Lake can't hold {kind}; "
                f"convert it to {remedy}, drop it, {ELSE}"
            )


def delta_schema(schema: pa.Schema) -> Schema:
    """The same as a schema of Delta Lake."""
    return Schema.from_arrow(schema)


def _problem(kind: pa.DataType) -> tuple[str, str] | None:
    """The part of a type that doesn't fit, and what it could be converted to."""
    if types.is_dictionary(kind):
        return _problem(kind.value_type)
    if types.is_nested(kind):
        found = (_problem(child.type) for child in _children(kind))
        return next((problem for problem in found if problem), None)
    remedy = _remedy(kind)
    if remedy is None and not _is_taken(kind):
        remedy = "a plain number, string or binary"
    return None if remedy is None else (str(kind), remedy)


def _remedy(kind: pa.DataType) -> str | None:
    if types.is_unsigned_integer(kind):
        return (
            "decimal128(20, 0) or a string" if kind.bit_width == 64 else f"int{kind.bit_width * 2}"
        )
    if types.is_float16(kind):
        return "float32"
    if types.is_time(kind):
        return "a string"
    if types.is_duration(kind):
        return "int64"
    if types.is_timestamp(kind):
        unit = "us" if kind.unit in {"s", "ns"} else kind.unit
        zoned = kind.tz is not None
        if unit != kind.unit or (zoned and kind.tz != "UTC"):
            return f"timestamp[{unit}, tz=UTC]" if zoned else f"timestamp[{unit}]"
    if types.is_null(kind):  # Delta has such a type, but not every reader
        return "a type with values, such as string"
    if types.is_decimal256(kind):
        return "decimal128, which has up to 38 digits, or a string"
    return None


def _is_taken(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return False
    try:
        Schema.from_arrow(pa.schema([("x", kind)]))
    except Exception:  # a bare Exception is what deltalake raises
        return False
    return True


def _names(field: pa.Field) -> Iterator[str]:
    """Of the column and of all fields of structs inside it."""
    yield field.name
    if types.is_nested(field.type):
        for child in _children(field.type):
            yield from _names(child) if types.is_struct(field.type) else _inner(child)


def _inner(field: pa.Field) -> Iterator[str]:
    """Of what lies in a list or map, whose own name means nothing."""
    names = _names(field)
    next(names)
    return names


def _children(kind: pa.DataType) -> list[pa.Field]:
    if types.is_map(kind):
        return [kind.key_field, kind.item_field]
    return [kind.field(index) for index in range(kind.num_fields)]
