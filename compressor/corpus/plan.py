"""The plan of a job, made on the driver: files to shards. Input: storage; output: a `Plan`.

A shard is a run of the input's rows in order, and later one actor call and one output file. It
follows row groups: small ones are packed together, across files too, and one that is larger than
a shard is cut by rows. Same input, same settings: same shards with the same fingerprints, so the
name of an output file says whether its work is done.
"""

import hashlib
import itertools
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa

from compressor.corpus.columns import TextColumn, added_fields, check_columns
from compressor.corpus.files import RowGroup, SourceFile, source_files
from compressor.corpus.schema import unify
from compressor.corpus.storage import Storage

# Half of Ray's 128 MiB target block: the output holds the input and the compressed text.
SHARD_BYTES = 64 * 1024 * 1024
FINGERPRINT_DIGITS = 16
RowGroupId = tuple[str, int]  # path of the file, number of the row group


@dataclass(frozen=True, slots=True)
class Piece:
    """Row groups `first` to `last` of a file; or some rows of the one row group `first`."""

    path: str
    version: str
    first: int
    last: int
    rows: int
    start: int | None = None  # None: whole row groups

    @property
    def is_part_of_a_row_group(self) -> bool:
        return self.start is not None


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows that are read, compressed and written together."""

    index: int
    pieces: tuple[Piece, ...]
    fingerprint: str

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    @property
    def name(self) -> str:
        """The output file. Its order is the order of the input."""
        return f"part-{self.index:05d}-{self.fingerprint}.parquet"


@dataclass(frozen=True)
class Plan:
    """What will be read and written."""

    files: tuple[SourceFile, ...]
    schema: pa.Schema
    columns: tuple[TextColumn, ...]
    shards: tuple[Shard, ...]

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
    files = source_files(storage)
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
) -> tuple[Shard, ...]:
    """The rows of `files` in order, as shards; where there are no rows, one shard without any.

    The row groups in `done` are left out.
    """
    drafts = list(_cut(files, rows_per_shard, SHARD_BYTES, done))
    return tuple(
        Shard(index, pieces, shard_fingerprint(pieces, schema, recipe))
        for index, pieces in enumerate(drafts or ([] if done else [()]))
    )


def read_units(shards: Iterable[Shard]) -> list[tuple[Shard, ...]]:
    """Shards that are read in one go: the parts of one row group, else each for itself.

    Parquet can't skip to a row inside a row group, so parts read one by one would decode the
    group once for each.
    """
    units: list[list[Shard]] = []
    for shard in shards:
        if units and _shares_row_group(units[-1][-1], shard):
            units[-1].append(shard)
        else:
            units.append([shard])
    return [tuple(unit) for unit in units]


def _shares_row_group(left: Shard, right: Shard) -> bool:
    if not (left.pieces and right.pieces):
        return False
    a, b = left.pieces[0], right.pieces[0]
    both_parts = a.is_part_of_a_row_group and b.is_part_of_a_row_group
    return both_parts and (a.path, a.first) == (b.path, b.first)


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


def shard_fingerprint(pieces: Sequence[Piece], schema: pa.Schema, recipe: str) -> str:
    """What decides the content of an output file, and names it."""
    identity = [[p.path, p.version, p.first, p.last, p.start, p.rows] for p in pieces]
    types = [[field.name, str(field.type), field.nullable] for field in schema]
    return _digest(recipe, json.dumps([identity, types]))[:FINGERPRINT_DIGITS]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
