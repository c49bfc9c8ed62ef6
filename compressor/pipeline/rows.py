"""A table in, the same table with our columns out, whatever its rows hold. No Ray, no storage.

Each row comes out once, in place: what can't be compressed (null text, bad bytes, a bad rate, a
text that makes the engine raise) gets a status and a reason, and the rest goes on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from compressor.config import CompressionSection
from compressor.corpus.columns import EMPTY, FAILED, OK, TextColumn, added_fields
from compressor.pipeline.statistics import Statistics, statistics_of

if TYPE_CHECKING:  # the driver needs no torch
    from compressor.engine.compressor import Compression, Compressor

MESSAGE_LENGTH = 500
Call = Callable[[Sequence[str], Sequence[float]], "list[Compression]"]


@dataclass(slots=True)
class Cell:
    """What became of one text."""

    status: str
    text: str | None = None
    original_tokens: int = 0
    compressed_tokens: int = 0
    error: str | None = None


def compress_table(
    table: pa.Table,
    compressor: "Compressor",
    settings: CompressionSection,
    columns: Sequence[TextColumn],
    threshold: float | None = None,
) -> tuple[pa.Table, Statistics]:
    """Append the compressed text, token counts, status and error to every row.

    `threshold` is the corpus-wide one where `settings.scope` is `corpus`. Raises only what no row
    is to blame for: a GPU that has failed.
    """
    started, model_seconds = time.time(), compressor.model_seconds
    options = engine_options(settings)

    def call(texts: Sequence[str], rates: Sequence[float]) -> "list[Compression]":
        return compressor.compress(texts, rates, threshold=threshold, **options)

    rates = _rates(table, settings)
    cells = [_compress_column(table.column(column.name), rates, call) for column in columns]
    statuses, errors = _rows(cells, columns, table.num_rows)
    result = _append(table, cells, columns, statuses, errors)
    measured = Statistics(
        model_seconds=compressor.model_seconds - model_seconds,
        seconds=time.time() - started,
        model_tokens=sum(cell.original_tokens for column in cells for cell in column),
    )
    return result, statistics_of(result, columns) + measured


def failed_rows(
    table: pa.Table, columns: Sequence[TextColumn], reason: str
) -> tuple[pa.Table, Statistics]:
    """What `compress_table` gives for rows that can't be compressed for this `reason`."""
    cells = [[Cell(FAILED, error=reason)] * table.num_rows for _ in columns]
    result = _append(table, cells, columns, *_rows(cells, columns, table.num_rows))
    return result, statistics_of(result, columns)


def engine_options(settings: CompressionSection) -> dict[str, Any]:
    """The keywords of `Compressor.compress` and `calibrate` that the configuration sets."""
    return {
        "target_tokens": settings.target_tokens,
        "force_tokens": tuple(settings.force_tokens),
        "force_reserve_digit": settings.force_reserve_digit,
        "drop_consecutive": settings.drop_consecutive,
        "protect": tuple(settings.protect),
        "tokenizer": settings.tokenizer,
    }


def texts_of(column: pa.ChunkedArray) -> list[str | UnicodeDecodeError | None]:
    """The values as Python strings; where the bytes are no UTF-8, the error that says so."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_decode(scalar) for scalar in column.cast(pa.large_binary()).to_pylist()]


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
) -> list[Cell]:
    cells: list[Cell] = []
    texts, wanted, places = [], [], []
    for place, (text, rate) in enumerate(zip(texts_of(column), rates, strict=True)):
        if isinstance(text, UnicodeDecodeError):
            reason = f"not UTF-8: {text.reason} at byte {text.start}"
            cells.append(Cell(FAILED, error=reason))
        elif isinstance(rate, ValueError):
            cells.append(Cell(FAILED, error=str(rate)))
        elif text is None:
            cells.append(Cell(EMPTY))
        else:
            cells.append(Cell(OK if text.strip() else EMPTY))
            texts.append(text)
            wanted.append(rate)
            places.append(place)
    for place, result in zip(places, compress_isolated(texts, wanted, call), strict=True):
        cells[place] = _cell(cells[place].status, result)
    return cells


def compress_isolated(
    texts: Sequence[str], rates: Sequence[float], call: Call
) -> "list[Compression | Exception]":
    """Compress all at once; where that raises, halve until the texts to blame stand alone."""
    if not texts:
        return []
    try:
        return list(call(texts, rates))
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


def _cell(status: str, result: "Compression | Exception") -> Cell:
    if isinstance(result, Exception):
        message = " ".join(f"{type(result).__name__}: {result}".split())
        return Cell(FAILED, error=message[:MESSAGE_LENGTH])
    return Cell(status, result.text, result.original_tokens, result.compressed_tokens, result.note)


def _rows(
    cells: Sequence[Sequence[Cell]], columns: Sequence[TextColumn], rows: int
) -> tuple[list[str], list[str | None]]:
    """One status and reason a row: failed if any column is, empty if all are."""
    statuses: list[str] = []
    errors: list[str | None] = []
    for row in range(rows):
        own = [column[row] for column in cells]
        found = {cell.status for cell in own}
        statuses.append(FAILED if FAILED in found else OK if OK in found else EMPTY)
        reasons = [
            cell.error if len(columns) == 1 else f"{column.name}: {cell.error}"
            for column, cell in zip(columns, own, strict=True)
            if cell.error is not None
        ]
        errors.append("; ".join(filter(None, reasons)) or None)
    return statuses, errors


def _append(
    table: pa.Table,
    cells: Sequence[Sequence[Cell]],
    columns: Sequence[TextColumn],
    statuses: list[str],
    errors: list[str | None],
) -> pa.Table:
    values: list[list[Any]] = []
    for column in cells:
        values.append([cell.text for cell in column])
        values.append([cell.original_tokens for cell in column])
        values.append([cell.compressed_tokens for cell in column])
    for field, data in zip(added_fields(columns), [*values, statuses, errors], strict=True):
        table = table.append_column(field, pa.array(data, field.type))
    return table
