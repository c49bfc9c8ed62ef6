"""Rows that speak for a whole corpus and are cheap to read. In: the files of a plan; out: draws and
their rows.

Row groups are drawn at equal distances along the rows from a random start, so files and row groups
are there by their size and each row has the same chance; within a drawn group rows are taken at
random. Parquet can't skip to a row inside a row group, so the wanted columns of a drawn group are
streamed whole, in bounded memory: what its texts come to in bytes is then known, not estimated.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from compressor.corpus.columns import is_passages
from compressor.corpus.files import SourceFile
from compressor.corpus.plan import Plan
from compressor.corpus.read import read_shards
from compressor.corpus.shards import Piece, Shard
from compressor.corpus.storage import Storage

Ints = npt.NDArray[np.int64]
Keys = Callable[[pa.Table], npt.NDArray[np.uint64]]
"""Gives uint64 [rows, k]: equal rows, equal keys."""

DRAWS = 32  # of row groups: so many are enough to see how much they differ
LEAST_DRAWS = 8
MOST_BYTES = 1 << 30  # of text that is read for a sample, unless row groups are huge
READERS = 8  # row groups that are read at a time
PART_ROWS = 4096  # of a row group in memory at a time


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows of one row group of one file, by their places in the group, int64 [n], rising.

    A group that is drawn several times has as many draws, without a row in common.
    """

    file: int
    group: int
    places: Ints


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw has given: its rows, and of the whole group its rows and text.

    table: the rows of the draw; rows, text_bytes: of the group, UTF-8; distinct_bytes: of the
    group's rows without those whose key stands there before; footer_bytes: of the text columns, as
    its footer says.
    """

    table: pa.Table
    rows: int
    text_bytes: int
    distinct_bytes: int
    footer_bytes: int


def draw_rows(files: Sequence[SourceFile], rows: int, *, seed: int) -> list[Draw]:
    """At most `rows` rows of the corpus, without repeats; all of them where it has no more.

    Row groups so small that they have fewer rows than would be taken give all they have.
    """
    groups = [(f, g) for f, file in enumerate(files) for g in range(len(file.row_groups))]
    sizes = np.array([files[f].row_groups[g].rows for f, g in groups], np.int64)
    total = int(sizes.sum())
    if total <= rows:
        return [
            Draw(*group, np.arange(size))
            for group, size in zip(groups, sizes.tolist(), strict=True)
            if size
        ]
    generator = np.random.default_rng(seed)
    count = _draws(files, rows, sizes)
    places = (np.arange(count) + generator.random()) * total / count
    hit = np.searchsorted(np.cumsum(sizes), places, "right")
    wanted = np.full(count, rows // count)
    wanted[generator.permutation(count)[: rows % count]] += 1
    draws = []
    for at in np.unique(hit).tolist():
        shares = wanted[hit == at]
        order = generator.permutation(sizes[at])[: shares.sum()]
        parts = np.array_split(order, len(shares))
        file, group = groups[at]
        draws += [Draw(file, group, np.sort(part)) for part in parts if len(part)]
    return draws


def _draws(files: Sequence[SourceFile], rows: int, sizes: Ints) -> int:
    """How many row groups are drawn: more where they are small, fewer where they are large."""
    text = np.array([group.text for file in files for group in file.row_groups], np.float64)
    chance = sizes / sizes.sum()
    typical_rows, typical_bytes = float((chance * sizes).sum()), float((chance * text).sum())
    most = max(LEAST_DRAWS, min(DRAWS, int(MOST_BYTES / max(typical_bytes, 1.0))))
    return min(rows, max(most, int(np.ceil(rows / typical_rows))))


def read_draws(
    storage: Storage,
    plan: Plan,
    draws: Sequence[Draw],
    columns: Sequence[str],
    keys: Keys | None = None,
) -> list[Drawn]:
    """The rows of each draw with these columns, in the planned types.

    `keys` tells equal rows; without it none is taken for a repetition. Raises `JobError` for a row
    group that can't be read.
    """
    by_group: dict[tuple[int, int], list[int]] = {}
    for number, draw in enumerate(draws):
        by_group.setdefault((draw.file, draw.group), []).append(number)

    def read(group: tuple[int, int]) -> list[Drawn]:
        some = [draws[number] for number in by_group[group]]
        return _read_group(storage, plan, some, columns, keys)

    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(by_group, pool.map(read, by_group), strict=True))
    drawn: list[Drawn | None] = [None] * len(draws)
    for group, numbers in by_group.items():
        for number, one in zip(numbers, found[group], strict=True):
            drawn[number] = one
    return [one for one in drawn if one is not None]


def _read_group(
    storage: Storage, plan: Plan, draws: Sequence[Draw], columns: Sequence[str], keys: Keys | None
) -> list[Drawn]:
    file = plan.files[draws[0].file]
    group = file.row_groups[draws[0].group]
    names = [column.name for column in plan.columns]
    picked: list[list[pa.Table]] = [[] for _ in draws]
    text = distinct = first = 0
    seen: set[bytes] = set()
    for part in _parts(storage, plan, file, draws[0].group, columns):
        sizes = np.sum([text_bytes(part.column(name)) for name in names], axis=0)
        text += int(sizes.sum())
        distinct += int(sizes[_new(part, keys, seen)].sum())
        for mine, draw in zip(picked, draws, strict=True):
            low, high = np.searchsorted(draw.places, [first, first + len(part)])
            if low < high:
                mine.append(part.take(pa.array(draw.places[low:high] - first)))
        first += len(part)
    return [
        Drawn(pa.concat_tables(mine), group.rows, text, distinct, group.text) for mine in picked
    ]


def _parts(
    storage: Storage, plan: Plan, file: SourceFile, group: int, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """A row group, some thousands of rows at a time."""
    rows = file.row_groups[group].rows
    shards = [
        Shard(0, (Piece(file.path, file.version, group, group, min(PART_ROWS, rows - at), at),), "")
        for at in range(0, rows, PART_ROWS)
    ]
    return read_shards(storage, shards, plan.schema, columns)


def _new(part: pa.Table, keys: Keys | None, seen: set[bytes]) -> npt.NDArray[np.bool_]:
    """The rows that were not seen before, bool [rows]; `seen` learns of them."""
    if keys is None:
        return np.ones(len(part), bool)
    new = np.zeros(len(part), bool)
    for row, key in enumerate(keys(part)):
        code = key.tobytes()
        if code not in seen:
            seen.add(code)
            new[row] = True
    return new


def text_bytes(column: pa.ChunkedArray) -> Ints:
    """UTF-8 bytes of each text, or of each list of passages together, int64 [rows]; 0 for null."""
    kind = column.type
    if pa.types.is_null(kind):
        return np.zeros(len(column), np.int64)
    if is_passages(kind):
        if pa.types.is_null(kind.value_type):
            return np.zeros(len(column), np.int64)
        lists = column.cast(pa.large_list(kind.value_type)).combine_chunks()
        lengths = pc.fill_null(pc.binary_length(pc.list_flatten(lists)), 0).to_numpy()
        parents = pc.list_parent_indices(lists).to_numpy()
        return np.bincount(parents, lengths, len(column)).astype(np.int64)
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    lengths = pc.fill_null(pc.binary_length(column), 0)
    return np.asarray(lengths.to_numpy(), np.int64)
