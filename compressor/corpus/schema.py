"""One schema for files whose schemas differ. Input: the files; output: the schema all are cast to.

Promotion only where no value can change: int32 to int64, a column of nulls to any type, a column
that a file lacks to nulls. Anything else is refused before the job starts.
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa
from pyarrow import types

from compressor.corpus.files import SourceFile
from compressor.errors import InputError

EXACT_INTEGER_BITS = {16: 8, 32: 16, 64: 32}  # whole integers that a float of this width holds


def unify(files: Sequence[SourceFile], key: str) -> pa.Schema:
    """The common schema: columns by first appearance, the metadata of the first file.

    Raises `InputError` that names the file and the column where types don't go together.
    """
    distinct: dict[pa.Schema, SourceFile] = {}
    for file in files:
        distinct.setdefault(file.schema, file)
    firsts = list(distinct.values())
    for file in firsts:
        _check_names(file, key)
    names = dict.fromkeys(name for file in firsts for name in file.schema.names)
    fields = [_unify_column(name, firsts, key) for name in names]
    return pa.schema(fields, metadata=files[0].schema.metadata)


def _check_names(file: SourceFile, key: str) -> None:
    names = file.schema.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{key}: {file.path}: has the column {twice!r} twice; rename one")


def _unify_column(name: str, files: Iterable[SourceFile], key: str) -> pa.Field:
    present = [file for file in files if name in file.schema.names]
    merged = present[0].schema.field(name)
    for file in present[1:]:
        field = file.schema.field(name)
        kind = _common_type(merged.type, field.type)
        if kind is None:
            raise InputError(
                f"{key}: {file.path}: column {name!r} is {field.type} there and {merged.type} in "
                f"{present[0].path}; the two can't be joined without loss, convert one"
            )
        merged = merged.with_type(kind).with_nullable(merged.nullable or field.nullable)
    missing = len(present) < sum(1 for _ in files)
    return merged.with_nullable(True) if missing else merged


def _common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """The type that holds every value of both unchanged, or None."""
    if left.equals(right):
        return left
    if types.is_dictionary(left) != types.is_dictionary(right):  # some files' writer encoded it
        left, right = (t.value_type if types.is_dictionary(t) else t for t in (left, right))
    try:
        merged = pa.unify_schemas(
            [pa.schema([("", left)]), pa.schema([("", right)])], promote_options="permissive"
        ).field(0)
    except pa.ArrowException:
        return None
    kind = merged.type
    return kind if is_lossless(left, kind) and is_lossless(right, kind) else None


def is_lossless(source: pa.DataType, target: pa.DataType) -> bool:
    """True where every value of `source` survives the cast to `target`."""
    if source.equals(target) or types.is_null(source):
        return True
    if types.is_dictionary(source) and types.is_dictionary(target):
        return is_lossless(source.value_type, target.value_type) and is_lossless(
            source.index_type, target.index_type
        )
    if types.is_nested(source) or types.is_nested(target):
        return _is_lossless_nested(source, target)
    if types.is_integer(source):
        return _is_lossless_integer(source, target)
    return any(
        pair(source, target)
        for pair in (_is_wider_float, _is_wider_decimal, _is_wider_bytes, _is_finer_time)
    )


def _is_lossless_nested(source: pa.DataType, target: pa.DataType) -> bool:
    if types.is_struct(source) and types.is_struct(target):
        return all(
            target.get_field_index(field.name) >= 0
            and is_lossless(field.type, target.field(field.name).type)
            for field in source
        )
    if types.is_map(source) and types.is_map(target):
        return is_lossless(source.key_type, target.key_type) and is_lossless(
            source.item_type, target.item_type
        )
    lists = (types.is_list, types.is_large_list)
    if any(is_list(target) for is_list in lists) and (
        any(is_list(source) for is_list in lists) or types.is_fixed_size_list(source)
    ):
        return is_lossless(source.value_type, target.value_type)
    return False


def _is_lossless_integer(source: pa.DataType, target: pa.DataType) -> bool:
    if types.is_floating(target):
        return bool(source.bit_width <= EXACT_INTEGER_BITS[target.bit_width])
    if not types.is_integer(target):
        return False
    if types.is_signed_integer(source) == types.is_signed_integer(target):
        return bool(source.bit_width <= target.bit_width)
    return bool(types.is_signed_integer(target) and source.bit_width < target.bit_width)


def _is_wider_float(source: pa.DataType, target: pa.DataType) -> bool:
    floats = types.is_floating(source) and types.is_floating(target)
    return bool(floats and source.bit_width <= target.bit_width)


def _is_wider_decimal(source: pa.DataType, target: pa.DataType) -> bool:
    if not (types.is_decimal(source) and types.is_decimal(target)):
        return False
    whole = source.precision - source.scale
    return bool(target.scale >= source.scale and target.precision - target.scale >= whole)


def _is_wider_bytes(source: pa.DataType, target: pa.DataType) -> bool:
    text = (types.is_string(source) or types.is_large_string(source)) and (
        types.is_string(target) or types.is_large_string(target)
    )
    binary = (
        types.is_binary(source)
        or types.is_large_binary(source)
        or types.is_fixed_size_binary(source)
    ) and (types.is_binary(target) or types.is_large_binary(target))
    return bool(text or binary)


def _is_finer_time(source: pa.DataType, target: pa.DataType) -> bool:
    """Timestamps, times, durations and dates: Arrow only ever promotes to the finer unit."""
    if types.is_timestamp(source) and types.is_timestamp(target):
        return bool(source.tz == target.tz)
    return any(
        kind(source) and kind(target) for kind in (types.is_time, types.is_duration, types.is_date)
    )
