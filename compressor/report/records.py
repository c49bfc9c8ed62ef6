"""Some records of a dataset, ready to be shown. Input: configuration and a window of rows.

A finished output has the compressed text beside the original, and what was kept is recovered from
the two; the texts of any other input are compressed on the spot, in this process, without Ray.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from compressor.corpus.columns import ERROR, TextColumn, added_fields, check_columns, text_columns
from compressor.corpus.files import SourceFile, source_files
from compressor.corpus.plan import plan_corpus
from compressor.corpus.read import read_shards
from compressor.corpus.schema import unify
from compressor.corpus.shards import Piece, Shard
from compressor.corpus.storage import Storage
from compressor.engine.compression import Calibration, Threshold
from compressor.engine.passages import content, joined
from compressor.errors import InputError
from compressor.report.align import kept_spans
from compressor.report.config import InspectConfig
from compressor.report.output import columns_of, read_summary
from compressor.report.strike import Record

ID = "id"  # shown beside the row's number where the dataset has the column
NO_TEXT = "no text"
NOT_A_SELECTION = "the compressed text is no selection of the original: no words are marked"

Row = dict[str, Any]


def load_records(
    config: InspectConfig,
    *,
    count: int,
    offset: int = 0,
    first_id: str | None = None,
    id_column: str = ID,
) -> list[Record]:
    """`count` records from row `offset` on, or from the one with this id; one a text column.

    Raises `InputError` for an input, a column or a model that can't be used.
    """
    storage = Storage.at(config.input.path, config.input.storage_options, key="input.path")
    columns = _columns(config, storage)
    files = source_files(storage)
    schema = unify(files, storage.key)
    ours = {field.name for field in added_fields(columns)}
    finished = ours <= set(schema.names)
    rate_column = None if finished else config.compression.rate_column
    inputs = pa.schema([field for field in schema if not (finished and field.name in ours)])
    check_columns(inputs, columns, rate_column)

    if first_id is not None:
        offset = _position(storage, files, schema, id_column, first_id)
    names = (
        {column.name for column in columns}
        | {id_column, rate_column}
        | (ours if finished else set())
    )
    wanted = [name for name in schema.names if name in names]
    shards = list(_window(files, offset, count))
    rows = [
        row
        for shard in shards
        for table in read_shards(storage, [shard], schema, wanted)
        for row in table.to_pylist()
    ]
    if not rows:
        raise InputError(
            f"--offset {offset}: the input has only {sum(f.rows for f in files):,} rows"
        )
    show = finished_record if finished else _compressing(config, storage, columns)
    return [
        show(_label(offset + number, row.get(id_column), column, columns), row, column)
        for number, row in enumerate(rows)
        for column in columns
    ]


def _columns(config: InspectConfig, storage: Storage) -> tuple[TextColumn, ...]:
    """Those of the configuration; where it names none, those that an output was made of."""
    if "text_column" not in config.input.model_fields_set:
        summary = read_summary(storage)
        if summary is not None and (made_of := columns_of(summary)):
            return made_of
    return text_columns(config.input.text_column)


def _position(
    storage: Storage, files: Sequence[SourceFile], schema: pa.Schema, name: str, wanted: str
) -> int:
    """The first row with this id; only that column is read, up to the file that holds it."""
    if name not in schema.names:
        raise InputError(
            f"--id {wanted}: the input has no column {name!r}; --id-column names the one to look "
            f"in: {', '.join(schema.names)}"
        )
    before = 0
    for file in files:
        piece = Piece(file.path, file.version, 0, len(file.row_groups) - 1, file.rows)
        for table in read_shards(storage, [Shard(0, (piece,), "")], schema, [name]):
            found = pc.index(table.column(name).cast(pa.string()), wanted).as_py()
            if found >= 0:
                return before + int(found)
        before += file.rows
    raise InputError(f"--id {wanted}: no such record; the input has {before:,} rows")


def _window(files: Sequence[SourceFile], offset: int, count: int) -> Iterator[Shard]:
    """The parts of row groups that hold the wanted rows: nothing else is decoded."""
    first = 0  # position of the row group in the dataset
    for file in files:
        for index, group in enumerate(file.row_groups):
            start = max(offset - first, 0)
            stop = min(offset + count - first, group.rows)
            if start < stop:
                piece = Piece(file.path, file.version, index, index, stop - start, start)
                yield Shard(index, (piece,), "")
            first += group.rows


def _label(position: int, own: Any, column: TextColumn, columns: Sequence[TextColumn]) -> str:
    parts = [f"row {position}", own, column.name if len(columns) > 1 else None]
    return " · ".join(str(part) for part in parts if part is not None)


def finished_record(label: str, row: Row, column: TextColumn) -> Record:
    """A record as the job left it."""
    found, compressed, note = content(row[column.name]), row[column.compressed], row[ERROR]
    original_tokens = row[column.original_tokens] or 0
    if found is None:
        return Record(label, "", [], 0, 0, note or NO_TEXT)
    text = joined(found)
    kept = None if compressed is None else kept_spans(text, compressed)
    if kept is None:
        note = note or NOT_A_SELECTION
        kept = [(0, len(text))]
    compressed_tokens = row[column.compressed_tokens] or 0
    return Record(label, text, kept, original_tokens, compressed_tokens, note, compressed)


def _compressing(
    config: InspectConfig, storage: Storage, columns: Sequence[TextColumn]
) -> Callable[[str, Row, TextColumn], Record]:
    """A function that compresses a record as the job would."""
    from compressor.engine.compressor import Compressor
    from compressor.pipeline.rows import engine_options

    model, settings = config.model, config.compression
    compressor = Compressor.from_pretrained(
        model.name,
        device=model.device,
        dtype=model.dtype,
        max_batch_tokens=model.max_batch_tokens,
        storage_options=config.input.storage_options,
    )
    options = engine_options(settings)
    if settings.scope == "corpus":
        options["threshold"] = _threshold(config, storage, columns, compressor)

    def compress(label: str, row: Row, column: TextColumn) -> Record:
        found = content(row[column.name])
        if found is None:
            return Record(label, "", [], 0, 0, NO_TEXT)
        text = joined(found)
        rate = row[settings.rate_column] if settings.rate_column else None
        try:
            (result,) = compressor.compress(
                [found], settings.rate if rate is None else float(rate), **options
            )
        except ValueError as error:
            if rate is None:  # a setting, and the same for every row
                raise InputError(f"compression: {error}") from error
            return Record(label, text, [(0, len(text))], 0, 0, str(error))
        return Record(
            label,
            text,
            result.kept,
            result.original_tokens,
            result.compressed_tokens,
            result.note,
            result.text,
        )

    return compress


def _threshold(
    config: InspectConfig, storage: Storage, columns: Sequence[TextColumn], compressor: Any
) -> Threshold:
    """The threshold that the job would find for the whole corpus."""
    from compressor.pipeline.calibrate import sample
    from compressor.pipeline.rows import engine_options

    plan = plan_corpus(
        storage,
        columns=columns,
        rate_column=config.compression.rate_column,
        rows_per_shard=config.cluster.rows_per_shard,
        recipe="",
    )
    options = engine_options(config.compression)
    options.pop("target_tokens")
    texts = sample(storage, plan.shards, plan.schema, [column.name for column in columns])
    calibration: Calibration = compressor.calibrate(texts, config.compression.rate, **options)
    return calibration.threshold
