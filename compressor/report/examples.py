"""The rows that a report shows, read from the output's own files: each at most once.

Input: the places that the findings name; output: records with their dropped words. Files whose
rows aren't shown aren't opened. An output without findings gives rows that digests of its files'
names choose.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from compressor.corpus.columns import OK, STATUS, TextColumn, added_fields
from compressor.corpus.storage import Storage
from compressor.pipeline.findings import SHOWN, Place
from compressor.pipeline.rows import contents_of
from compressor.report.output import Output
from compressor.report.records import ID, finished_record
from compressor.report.strike import Record

Kind = Literal["random", "worst", "error", "note"]
READERS = 8  # files at a time
MOST_CHARACTERS = 3000  # of a text: the page must stay small
SIMILAR_ROWS = 200  # whose texts before and after are compared, from the files of random rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row that is to be shown, why, and its confidence and key where they are known."""

    kind: Kind
    place: Place
    confidence: float | None = None
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A row's text with its dropped words; `message` is what its error column says."""

    wanted: Wanted
    record: Record
    message: str | None


def wanted_rows(output: Output) -> list[Wanted]:
    """The rows that the findings name: least certain, random, and one for each reason."""
    findings = output.findings
    if findings is None:
        return [Wanted("random", place) for place in _some_places(output)]
    worst = [
        Wanted("worst", place, confidence=thousandths / 1000, key=key)
        for (thousandths, key), place in sorted(findings.worst.items())
    ]
    random = [Wanted("random", place, key=key) for key, place in sorted(findings.random.items())]
    reasons = sorted(findings.reasons.items(), key=lambda item: (-item[1][0], item[0]))
    said = [
        Wanted("error" if kind == "error" else "note", place)
        for (kind, _), (_, _, place) in reasons[:SHOWN]
    ]
    return [*worst, *random, *said]


def read_examples(output: Output, wanted: Sequence[Wanted]) -> list[Example]:
    """The rows, in the order they are wanted; one for each text column."""
    columns = output.columns
    if not columns:
        return []
    files = sorted({one.place[0] for one in wanted})
    with ThreadPoolExecutor(READERS) as pool:
        read = partial(_read, output.storage, columns, wanted)
        found = {place: rows for part in pool.map(read, files) for place, rows in part.items()}
    return [
        Example(one, record, message)
        for one in wanted
        for record, message in found.get(one.place, [])
    ]


def texts_to_compare(output: Output, wanted: Sequence[Wanted]) -> list[tuple[str, str]]:
    """Some texts before and after, from the files of the random rows: evenly over their rows."""
    columns = output.columns
    files = sorted({one.place[0] for one in wanted if one.kind == "random"})
    each = -(-SIMILAR_ROWS // max(1, len(files)))
    pairs: list[tuple[str, str]] = []
    for name in files if columns else ():
        table = _table(output.storage, name, columns)
        good = np.flatnonzero(pc.equal(table.column(STATUS), OK).to_numpy())
        count = min(each, len(good))
        some = table.take(pa.array(good[np.arange(count) * len(good) // max(1, count)]))
        for row in _rows(some, columns):
            for column in columns:
                record = finished_record("", row, column)
                pairs.append((record.text, record.compressed or ""))
    return pairs[: SIMILAR_ROWS * len(columns)]


def _read(
    storage: Storage, columns: Sequence[TextColumn], wanted: Iterable[Wanted], name: str
) -> dict[Place, list[tuple[Record, str | None]]]:
    places = sorted({one.place for one in wanted if one.place[0] == name})
    table = _table(storage, name, columns)
    some = table.take(pa.array([row for _, row in places if row < len(table)]))
    found: dict[Place, list[tuple[Record, str | None]]] = {}
    for place, row in zip(places, _rows(some, columns), strict=False):
        shard = name.removesuffix(".parquet").rpartition("-")[0] or name
        parts = [f"{shard} row {place[1]:,}"]
        parts += [] if row.get(ID) is None else [str(row[ID])]
        found[place] = [
            (
                _clipped(finished_record(" · ".join([*parts, *_name(one, columns)]), row, one)),
                row["error"],
            )
            for one in columns
        ]
    return found


def _table(storage: Storage, name: str, columns: Sequence[TextColumn]) -> pa.Table:
    filesystem, path = storage.open()
    names = {ID, *(one.name for one in columns), *(field.name for field in added_fields(columns))}
    with storage.explained(), filesystem.open(f"{path}/{name}", "rb") as source:
        file = pq.ParquetFile(source, pre_buffer=True)
        return file.read(columns=[one for one in file.schema_arrow.names if one in names])


def _rows(table: pa.Table, columns: Sequence[TextColumn]) -> list[dict[str, Any]]:
    """As Python objects; a text whose bytes are none is null."""
    texts = {
        one.name: [
            None if isinstance(value, UnicodeDecodeError) else value
            for value in contents_of(table.column(one.name))
        ]
        for one in columns
    }
    rows: list[dict[str, Any]] = table.drop_columns(list(texts)).to_pylist()
    for at, row in enumerate(rows):
        row.update({name: values[at] for name, values in texts.items()})
    return rows


def _name(column: TextColumn, columns: Sequence[TextColumn]) -> list[str]:
    return [column.name] if len(columns) > 1 else []


def _clipped(record: Record) -> Record:
    """The beginning of a long text."""
    size, compressed = len(record.text), record.compressed
    if size <= MOST_CHARACTERS:
        return record
    kept = [(a, min(b, MOST_CHARACTERS)) for a, b in record.kept if a < MOST_CHARACTERS]
    told = f"the first {MOST_CHARACTERS:,} of {size:,} characters"
    return replace(
        record,
        text=record.text[:MOST_CHARACTERS],
        kept=kept,
        note=f"{record.note}; {told}" if record.note else told,
        compressed=compressed if compressed is None else compressed[:MOST_CHARACTERS],
    )


def _some_places(output: Output) -> list[Place]:
    """A row of each of some files: whichever their names' digests say."""
    names, rows = (output.shards.column(name).to_pylist() for name in ("file", "rows"))
    drawn = sorted(
        (hashlib.blake2b(name.encode(), digest_size=8).digest(), name, count)
        for name, count in zip(names, rows, strict=True)
        if count
    )
    each = -(-SHOWN // max(1, len(drawn)))
    return [
        (name, (int.from_bytes(digest) + at * count // each) % count)
        for digest, name, count in drawn[:SHOWN]
        for at in range(min(each, count))
    ][:SHOWN]
