"""The plan of a job, made on the driver: files to shards. Input: storage; output: a `Plan`.

A shard is a run of the input's rows in order, and later one actor call and one output file. It
follows row groups: small ones are packed together, across files too, and one that is larger than
a shard is cut by rows. Same input, same settings: same shards with the same fingerprints, so the
name of an output file says whether its work is done.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa

from compressor.corpus.columns import TextColumn, added_fields, check_columns
from compressor.corpus.files import RowGroup, SourceFile, source_files
from compressor.corpus.schema import unify
from compressor.corpus.shards import FINGERPRINT_DIGITS, Piece, Shard, Shards
from compressor.corpus.storage import Storage

# Half of Ray's 128 MiB target block: the output holds the input and the compressed text.
SHARD_BYTES = 64 * 1024 * 1024
RowGroupId = tuple[str, int]  # path of the file, number of the row group


@dataclass(frozen=True)
class Plan:
    """What will be read and written."""

    files: tuple[SourceFile, ...]
    schema: pa.Schema
    columns: tuple[TextColumn, ...]
    shards: Shards

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @cached_property
    def output_schema(self) -> pa.Schema:
        """The input's columns, then ours."""
        fields = [*self.schema, *added_fields(self.columns)]
        return pa.schema(fields, metadata=self.schema.metadata)


def plan_corpus(
    storage: Storage,
    *,
    columns: Sequence[TextColumn],
    rate_column: str | None,
    rows_per_shard: int,
    recipe: str,
    whole_corpus: bool = False,
) -> Plan:
    """List, read footers, unify schemas, check columns, cut shards.

    `recipe` stands for everything but the input that decides the output (model, settings, version
    of the algorithm); with `whole_corpus` each shard's result depends on all of the input.
    Raises `InputError` for whatever is wrong with the input.
    """
    files = source_files(storage, [column.name for column in columns])
    schema = checked_schema(files, storage.key, columns, rate_column)
    if whole_corpus:
        recipe = corpus_recipe(recipe, files)
    shards = cut_shards(files, schema, rows_per_shard=rows_per_shard, recipe=recipe)
    return Plan(tuple(files), schema, tuple(columns), shards)


def checked_schema(
    files: Sequence[SourceFile], key: str, columns: Sequence[TextColumn], rate_column: str | None
) -> pa.Schema:
    """The schema of all files together; raises `InputError` where it doesn't suit the job."""
    schema = unify(files, key)
    check_columns(schema, columns, rate_column)
    return schema


def corpus_recipe(recipe: str, files: Sequence[SourceFile]) -> str:
    """The recipe of shards whose results depend on all of the input."""
    return _digest(recipe, *(f"{file.path} {file.version} {file.size}" for file in files))


def cut_shards(
    files: Sequence[SourceFile],
    schema: pa.Schema,
    *,
    rows_per_shard: int,
    recipe: str,
    done: Container[RowGroupId] = (),
) -> Shards:
    """The rows of `files` in order, as shards; where there are no rows, one shard without any.

    The row groups in `done` are left out.
    """
    fingerprint = fingerprinter(schema, recipe)
    drafts = enumerate(_cut(files, rows_per_shard, SHARD_BYTES, done))
    shards = Shards.of(Shard(index, pieces, fingerprint(pieces)) for index, pieces in drafts)
    return shards if len(shards) or done else Shards.of([Shard(0, (), fingerprint(()))])


def _cut(
    files: Sequence[SourceFile], rows_limit: int, bytes_limit: int, done: Container[RowGroupId]
) -> Iterator[tuple[Piece, ...]]:
    """Whole row groups while they fit; a large one by itself, in equal parts."""
    pieces: list[Piece] = []
    rows = size = 0
    for file in files:
        for index, group in enumerate(file.row_groups):
            if group.rows == 0 or (file.path, index) in done:
                continue
            parts = _parts(group, rows_limit, bytes_limit)
            fits = rows + group.rows <= rows_limit and size + group.bytes <= bytes_limit
            if pieces and (parts > 1 or not fits):
                yield tuple(pieces)
                pieces, rows, size = [], 0, 0
            if parts > 1:
                yield from ((part,) for part in _split(file, index, group.rows, parts))
                continue
            _append(pieces, Piece(file.path, file.version, index, index, group.rows))
            rows, size = rows + group.rows, size + group.bytes
    if pieces:
        yield tuple(pieces)


def _parts(group: RowGroup, rows_limit: int, bytes_limit: int) -> int:
    """How many shards a row group makes by itself."""
    by_rows = -(-group.rows // rows_limit)
    by_bytes = -(-group.bytes // bytes_limit)
    return min(group.rows, max(by_rows, by_bytes))


def _split(file: SourceFile, index: int, rows: int, parts: int) -> Iterator[Piece]:
    bounds = [rows * part // parts for part in range(parts + 1)]
    for start, stop in itertools.pairwise(bounds):
        yield Piece(file.path, file.version, index, index, stop - start, start)


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Add a row group, joined to the one before it where that is its neighbour."""
    last = pieces[-1] if pieces else None
    if last and last.path == piece.path and last.last + 1 == piece.first:
        pieces[-1] = replace(last, last=piece.last, rows=last.rows + piece.rows)
    else:
        pieces.append(piece)


def fingerprinter(schema: pa.Schema, recipe: str) -> Callable[[Sequence[Piece]], str]:
    """What decides the content of an output file, and names it, as a function of its pieces."""
    types = json.dumps([[field.name, str(field.type), field.nullable] for field in schema])

    def fingerprint(pieces: Sequence[Piece]) -> str:
        identity = [[p.path, p.version, p.first, p.last, p.start, p.rows] for p in pieces]
        return _digest(recipe, f"[{json.dumps(identity)}, {types}]")[:FINGERPRINT_DIGITS]

    return fingerprint


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
