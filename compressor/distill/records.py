"""From records of the corpus to the rows of the dataset: chunks with names, then verdicts on them.

In: the table of a shard, and the replies to its chunks; out: one row for each chunk that was
asked, with everything but the choice among them, which needs the whole corpus.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.corpus.files import SourceFile
from compressor.corpus.shards import Shard
from compressor.corpus.storage import Storage
from compressor.distill.chunk import Chunk, cut_chunks
from compressor.distill.config import ChunkSection, InputSection
from compressor.distill.quality import Quality, measure
from compressor.distill.reply import OK, Reply, judge
from compressor.engine.subwords import TokenCounter

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("record", pa.string()),
        ("chunk", pa.int32()),
        ("domain", pa.string()),
        ("text", pa.string()),
        ("separator", pa.string()),
        ("half", pa.string()),
        ("quarter", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("variation_rate", pa.float32()),
        ("hitting_rate", pa.float32()),
        ("matching_rate", pa.float32()),
        ("alignment_gap", pa.float32()),
        ("selected", pa.bool_()),
    ]
)
MEASURES = ("variation_rate", "hitting_rate", "matching_rate", "alignment_gap")


@dataclass(frozen=True, slots=True)
class Origin:
    """Rows `start` to `start + rows` of a file, which is named as seen from the input's folder."""

    file: str
    start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk and where it comes from."""

    record: str
    number: int
    domain: str | None
    chunk: Chunk


@dataclass(frozen=True)
class Verdicts:
    """What is known of the rows of a shard: statuses, qualities (None unless ok), token counts."""

    statuses: list[str]
    qualities: list[Quality | None]
    original_tokens: int
    half_tokens: int
    quarter_tokens: int


def origins(source: Storage, files: Sequence[SourceFile], shard: Shard) -> tuple[Origin, ...]:
    """Where the rows of a shard come from, in order."""
    by_path = {file.path: file for file in files}
    found = []
    for piece in shard.pieces:
        before = sum(group.rows for group in by_path[piece.path].row_groups[: piece.first])
        start = before + (piece.start or 0)
        found.append(Origin(source.relative(piece.path), start, piece.rows))
    return tuple(found)


def columns(settings: InputSection) -> list[str]:
    """The columns that are read, each once."""
    names = (settings.text_column, settings.id_column, settings.domain_column)
    return list(dict.fromkeys(name for name in names if name is not None))


def cut_records(
    table: pa.Table,
    origin: Sequence[Origin],
    settings: InputSection,
    chunking: ChunkSection,
    counter: TokenCounter,
) -> list[Piece]:
    """The chunks of all records of a shard, in order; null and blank texts have none."""
    texts = [text or "" for text in _strings(table, settings.text_column)]
    named = _strings(table, settings.id_column)
    domains = _strings(table, settings.domain_column)
    chunks = cut_chunks(texts, counter, chunking.chunk_tokens)
    return [
        Piece(name or place, number, domain, chunk)
        for place, name, domain, parts in zip(_places(origin), named, domains, chunks, strict=True)
        for number, chunk in enumerate(parts)
    ]


def judged(
    pieces: Sequence[Piece],
    requests: Sequence[str],
    replies: Mapping[str, Reply],
    levels: int,
    counter: TokenCounter,
) -> tuple[pa.Table, Verdicts]:
    """The rows of a shard (`selected` is false) and what is known of them.

    Chunks without a reply were not asked and have no row.
    """
    rows = []
    qualities: list[Quality | None] = []
    for piece, request in zip(pieces, requests, strict=True):
        if (reply := replies.get(request)) is None:
            continue
        verdict = judge(reply, piece.chunk.text, levels)
        quality = None if verdict.half is None else measure(piece.chunk.text, verdict.half)
        qualities.append(quality)
        rows.append(
            {
                "id": f"{piece.record}/{piece.number}",
                "record": piece.record,
                "chunk": piece.number,
                "domain": piece.domain,
                "text": piece.chunk.text,
                "separator": piece.chunk.separator,
                "half": verdict.half,
                "quarter": verdict.quarter,
                "status": verdict.status,
                "error": verdict.error,
                "prompt_tokens": reply.prompt_tokens,
                "completion_tokens": reply.completion_tokens,
                **{name: getattr(quality, name, None) for name in MEASURES},
                "selected": False,
            }
        )
    ok = [row for row in rows if row["status"] == OK]
    verdicts = Verdicts(
        [str(row["status"]) for row in rows],
        qualities,
        *(_total([row[name] for row in ok], counter) for name in ("text", "half", "quarter")),
    )
    return pa.Table.from_pylist(rows, SCHEMA), verdicts


def with_selected(table: pa.Table, selected: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows with the choice made; bool [rows]."""
    place = SCHEMA.get_field_index("selected")
    return table.set_column(place, SCHEMA.field(place), pa.array(selected, pa.bool_()))


def _strings(table: pa.Table, name: str | None) -> list[str | None]:
    if name is None:
        return [None] * table.num_rows
    return [None if value is None else str(value) for value in table.column(name).to_pylist()]


def _places(origin: Sequence[Origin]) -> Iterator[str]:
    for part in origin:
        for row in range(part.start, part.start + part.rows):
            yield f"{part.file}#{row}"


def _total(texts: Sequence[object], counter: TokenCounter) -> int:
    return int(counter.count([text for text in texts if isinstance(text, str)]).sum())
