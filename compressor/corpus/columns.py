"""The columns that compression reads and adds, and the checks that the input has room for them."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import types

from compressor.errors import InputError

STATUS, ERROR = "status", "error"
OK, EMPTY, FAILED = "ok", "empty", "error"
STATUSES = (OK, EMPTY, FAILED)


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A text column of the input and the names of what is added for it."""

    name: str
    compressed: str
    original_tokens: str
    compressed_tokens: str


def text_columns(configured: str | Sequence[str]) -> tuple[TextColumn, ...]:
    """A single column gives `compressed_text` whatever its name; a list gives one set for each."""
    if isinstance(configured, str):
        return (TextColumn(configured, "compressed_text", "original_tokens", "compressed_tokens"),)
    return tuple(
        TextColumn(
            name, f"compressed_{name}", f"original_tokens_{name}", f"compressed_tokens_{name}"
        )
        for name in configured
    )


def added_fields(columns: Sequence[TextColumn]) -> list[pa.Field]:
    """The fields that follow the input's own, in order."""
    fields = []
    for column in columns:
        fields.append(pa.field(column.compressed, pa.string()))
        fields.append(pa.field(column.original_tokens, pa.int32()))
        fields.append(pa.field(column.compressed_tokens, pa.int32()))
    return [*fields, pa.field(STATUS, pa.string()), pa.field(ERROR, pa.string())]


def check_columns(
    schema: pa.Schema, columns: Sequence[TextColumn], rate_column: str | None
) -> None:
    """Raise `InputError` where a column is missing, of the wrong type, or in the way."""
    for column in columns:
        check_text(schema, column.name, lists=True)
    if rate_column is not None:
        kind = column_type(schema, rate_column, "compression.rate_column")
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            raise InputError(f"compression.rate_column: {rate_column!r} is {kind}, not a number")
    for field in added_fields(columns):
        if field.name in schema.names:
            raise InputError(
                f"input.path: the input already has a column {field.name!r}, which the output "
                "needs for its own; rename or drop it"
            )


def check_text(schema: pa.Schema, name: str, *, lists: bool = False) -> None:
    """Raise `InputError` where the text column is missing or isn't text.

    lists: whether a list of passages will do.
    """
    kind = column_type(schema, name, "input.text_column")
    if not is_text(kind) and not (lists and is_passages(kind)):
        raise InputError(f"input.text_column: {name!r} is {kind}, not text{_text_hint(schema)}")


def is_text(kind: pa.DataType) -> bool:
    """Strings of any layout, dictionaries of them, and the type of a column that is all null."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_null(kind)
    )


def is_passages(kind: pa.DataType) -> bool:
    """Lists of strings: the passages, or contexts, of a record."""
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    value = kind.value_type
    return bool(types.is_string(value) or types.is_large_string(value) or types.is_null(value))


def column_type(schema: pa.Schema, name: str, key: str) -> pa.DataType:
    """The type of a column; raises `InputError` that names `key` where there is none."""
    if name in schema.names:
        return schema.field(name).type
    near = difflib.get_close_matches(name, schema.names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {_list(schema)}"
    raise InputError(f"{key}: the input has no column {name!r}; {hint}")


def _text_hint(schema: pa.Schema) -> str:
    names = [field.name for field in schema if is_text(field.type)]
    return f"; text columns are {', '.join(map(repr, names[:8]))}" if names else ""


def _list(schema: pa.Schema, most: int = 12) -> str:
    names = ", ".join(map(repr, schema.names[:most]))
    return names + (" ..." if len(schema.names) > most else "")
