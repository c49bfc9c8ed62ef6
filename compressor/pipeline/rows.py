"""A table in, the same table with our columns out, whatever its rows hold. No Ray, no storage.

Each row comes out once, in place: what can't be compressed (null text, bad bytes, a bad rate, a
text that makes the engine raise) gets a status and a reason, and the rest goes on. A list of
passages is one text.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.config import CompressionSection
from compressor.corpus.columns import EMPTY, FAILED, STATUSES, TextColumn, added_fields, is_passages
from compressor.engine.passages import Text, content, joined
from compressor.pipeline.statistics import Statistics, statistics_of

if TYPE_CHECKING:  # the driver needs no torch
    from compressor.engine.compression import Columns, Threshold
    from compressor.engine.compressor import Compressor

MESSAGE_LENGTH = 500
CONFIDENCE = "_confidence"  # a column for the report, which no output holds
MOST_BYTES = 2**31 - 1  # of an Arrow array of type string
Call = Callable[[Sequence[Text], Sequence[float]], "Columns"]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Cells:
    """What became of a column of texts.

    texts: strings, null where there are none; original_tokens, compressed_tokens: int32 [rows];
    confidence: float32 [rows], of the engine, NaN where there is no text; done, blank: bool [rows],
    neither where a row failed; errors: reasons and notes, by row.
    """

    texts: pa.Array
    original_tokens: npt.NDArray[np.int32]
    compressed_tokens: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    done: Flags
    blank: Flags
    errors: dict[int, str]
    model_seconds: float = 0.0


def compress_table(
    table: pa.Table,
    compressor: "Compressor",
    settings: CompressionSection,
    columns: Sequence[TextColumn],
    threshold: "Threshold | None" = None,
    *,
    confident: bool = False,
) -> tuple[pa.Table, Statistics]:
    """Append the compressed text, token counts, status and error to every row.

    `threshold` is the corpus-wide one where `settings.scope` is `corpus`; with `confident` there is
    a last column, `CONFIDENCE`: float32, of a row's columns the lowest, null where it has no text.
    Raises only what no row is to blame for: a GPU that has failed.
    """
    started = time.time()
    options = engine_options(settings)

    def call(texts: Sequence[Text], rates: Sequence[float]) -> "Columns":
        return compressor.compress_columns(texts, rates, threshold=threshold, **options)

    rates = _rates(table, settings)
    cells = [_compress_column(table.column(column.name), rates, call) for column in columns]
    result = _append(table, cells, columns)
    measured = Statistics(
        model_seconds=sum(column.model_seconds for column in cells),
        seconds=time.time() - started,
        model_tokens=sum(int(column.original_tokens.sum()) for column in cells),
    )
    statistics = statistics_of(result, columns) + measured
    return (_with_confidence(result, cells) if confident else result), statistics


def failed_rows(
    table: pa.Table, columns: Sequence[TextColumn], reason: str
) -> tuple[pa.Table, Statistics]:
    """What `compress_table` gives, confidence included, for rows that fail for this `reason`."""
    rows = table.num_rows
    nothing, no = np.zeros(rows, np.int32), np.zeros(rows, bool)
    unknown = np.full(rows, np.nan, np.float32)
    errors = dict.fromkeys(range(rows), reason)
    cells = Cells(pa.nulls(rows, pa.string()), nothing, nothing, unknown, no, no, errors)
    result = _append(table, [cells] * len(columns), columns)
    return _with_confidence(result, [cells]), statistics_of(result, columns)


def engine_options(settings: CompressionSection) -> dict[str, Any]:
    """The keywords of `Compressor.compress` and `calibrate` that the configuration sets."""
    return {
        "target_tokens": settings.target_tokens,
        "force_tokens": tuple(settings.force_tokens),
        "force_reserve_digit": settings.force_reserve_digit,
        "drop_consecutive": settings.drop_consecutive,
        "protect": tuple(settings.protect),
        "tokenizer": settings.tokenizer,
        "coarse": settings.coarse,
        "coarse_share": settings.coarse_share,
    }


def texts_of(column: pa.ChunkedArray) -> list[str | UnicodeDecodeError | None]:
    """The values as Python strings; where the bytes are no UTF-8, the error that says so."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_decode(scalar) for scalar in column.cast(pa.large_binary()).to_pylist()]


def contents_of(column: pa.ChunkedArray) -> list[Text | UnicodeDecodeError | None]:
    """The same of a text column, a list of passages as a tuple of those that are not null."""
    if not is_passages(column.type):
        return list(texts_of(column))
    try:
        return [content(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        return [_content(scalar) for chunk in column.chunks for scalar in chunk]


def plain(value: Text | UnicodeDecodeError | None) -> str | UnicodeDecodeError | None:
    """What `contents_of` gives as one text."""
    return value if value is None or isinstance(value, UnicodeDecodeError) else joined(value)


def _content(scalar: pa.Scalar) -> Text | UnicodeDecodeError | None:
    try:
        return content(scalar.as_py())
    except UnicodeDecodeError as error:
        return error


def _decode(value: bytes | None) -> str | UnicodeDecodeError | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        return error


def _rates(table: pa.Table, settings: CompressionSection) -> list[float | ValueError]:
    """The rate of each row, or what is wrong with it."""
    if settings.rate_column is None:
        return [settings.rate] * table.num_rows
    column = table.column(settings.rate_column)
    values = column.cast(pa.float64(), safe=False).to_pylist()
    return [
        settings.rate
        if value is None
        else float(value)
        if 0 < value <= 1
        else ValueError(f"{settings.rate_column} is {value!r}; a rate is above 0 and at most 1")
        for value in values
    ]


def _compress_column(
    column: pa.ChunkedArray, rates: Sequence[float | ValueError], call: Call
) -> Cells:
    values, errors = contents_of(column), {}
    blank = np.zeros(len(values), bool)
    texts, wanted, places = [], [], []
    for place, (text, rate) in enumerate(zip(values, rates, strict=True)):
        if isinstance(text, UnicodeDecodeError):
            errors[place] = f"not UTF-8: {text.reason} at byte {text.start}"
        elif isinstance(rate, ValueError):
            errors[place] = str(rate)
        elif text is None:
            blank[place] = True
        else:
            whole = joined(text)
            blank[place] = not whole or whole.isspace()
            texts.append(text)
            wanted.append(rate)
            places.append(place)
    return _spread(
        np.array(places, np.int64), compress_isolated(texts, wanted, call), blank, errors
    )


def _spread(
    places: npt.NDArray[np.int64],
    parts: "Sequence[Columns | Exception]",
    blank: Flags,
    errors: dict[int, str],
) -> Cells:
    """Results in the rows that they are for; `places`: the row of each text that was tried."""
    original, compressed = np.zeros((2, len(blank)), np.int32)
    confidence = np.full(len(blank), np.nan, np.float32)
    sizes, done = np.zeros(len(blank), np.int64), np.zeros(len(blank), bool)
    data, seconds, at = [np.zeros(0, np.uint8)], 0.0, 0
    for part in parts:
        if isinstance(part, Exception):
            message = " ".join(f"{type(part).__name__}: {part}".split())
            errors[int(places[at])] = message[:MESSAGE_LENGTH]
            blank[places[at]] = False
            at += 1
            continue
        rows = places[at : at + len(part)]
        original[rows], compressed[rows] = part.original_tokens, part.compressed_tokens
        sizes[rows], done[rows] = np.diff(part.texts.splits), True
        confidence[rows] = part.confidence
        errors |= {int(rows[row]): note for row, note in part.notes.items()}
        data.append(part.texts.data)
        seconds += part.model_seconds
        at += len(part)
    texts = _strings(np.concatenate(data), np.concatenate([[0], np.cumsum(sizes)]), done)
    return Cells(texts, original, compressed, confidence, done, blank, errors, seconds)


def _strings(data: npt.NDArray[np.uint8], splits: npt.NDArray[np.int64], valid: Flags) -> pa.Array:
    """An array of strings from their bytes, one after the other; null where not `valid`."""
    mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    if len(data) > MOST_BYTES:
        buffers = [mask, pa.py_buffer(splits), pa.py_buffer(data)]
        long = pa.Array.from_buffers(pa.large_string(), len(valid), buffers)
        return pa.array(long.to_pylist(), pa.string())  # in several chunks
    buffers = [mask, pa.py_buffer(splits.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(valid), buffers)


def compress_isolated(
    texts: Sequence[Text], rates: Sequence[float], call: Call
) -> "list[Columns | Exception]":
    """Compress all at once; where that raises, halve until the texts to blame stand alone.

    Gives parts in the order of the texts, an exception being that of one text.
    """
    if not texts:
        return []
    try:
        return [call(texts, rates)]
    except Exception as error:
        if _is_fatal(error):
            raise
        if len(texts) == 1:
            return [error]
    middle = len(texts) // 2
    return [
        *compress_isolated(texts[:middle], rates[:middle], call),
        *compress_isolated(texts[middle:], rates[middle:], call),
    ]


def _is_fatal(error: Exception) -> bool:
    """After a CUDA error other than lack of memory, every later call of the process fails too."""
    lacks_memory = type(error).__name__ == "OutOfMemoryError"
    return "CUDA error" in str(error) and not lacks_memory


def _append(table: pa.Table, cells: Sequence[Cells], columns: Sequence[TextColumn]) -> pa.Table:
    values: list[Any] = []
    for column in cells:
        values += [column.texts, column.original_tokens, column.compressed_tokens]
    values += [_statuses(cells, table.num_rows), _errors(cells, columns, table.num_rows)]
    for field, data in zip(added_fields(columns), values, strict=True):
        array = data if isinstance(data, pa.Array | pa.ChunkedArray) else pa.array(data, field.type)
        table = table.append_column(field, array)
    return table


def _with_confidence(table: pa.Table, cells: Sequence[Cells]) -> pa.Table:
    lowest = np.fmin.reduce([column.confidence for column in cells])
    return table.append_column(CONFIDENCE, pa.array(lowest, pa.float32(), from_pandas=True))


def _statuses(cells: Sequence[Cells], rows: int) -> pa.Array:
    """One status a row: failed if any column is, empty if all are."""
    failed, blank = np.zeros(rows, bool), np.ones(rows, bool)
    for column in cells:
        failed |= ~(column.done | column.blank)
        blank &= column.blank
    which = np.select([failed, blank], [STATUSES.index(FAILED), STATUSES.index(EMPTY)])
    return pa.array(STATUSES, pa.string()).take(pa.array(which))


def _errors(cells: Sequence[Cells], columns: Sequence[TextColumn], rows: int) -> list[str | None]:
    """What each row has to say: its columns' reasons, by name where there are several."""
    errors: list[str | None] = [None] * rows
    for row in sorted({row for column in cells for row in column.errors}):
        errors[row] = "; ".join(
            own.errors[row] if len(columns) == 1 else f"{column.name}: {own.errors[row]}"
            for column, own in zip(columns, cells, strict=True)
            if row in own.errors
        )
    return errors
