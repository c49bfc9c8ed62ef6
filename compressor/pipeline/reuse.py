"""Results that are there already: rows whose texts, and rate, were compressed before.

A row's key is a digest of all that decides its result under one recipe. A `Source` gives results
by key: the rows this replica did a while ago, or those of a published version. Only what no source
has is computed, each key once.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.corpus.columns import is_passages

Keys = npt.NDArray[np.uint64]  # [n, 2]: 128 bits a row
Ints = npt.NDArray[np.int64]
KEY_BYTES = 16
MEMORY_BYTES = 64 * 1024 * 1024  # of results that a replica remembers


class Source(Protocol):
    """Where results come from."""

    def find(self, keys: Keys) -> Iterable[tuple[Ints, pa.Table]]:
        """Places in `keys`, and the added columns of those rows; what it lacks it leaves out."""
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """The added columns of all rows; how many rows came from each source, and were twins."""

    added: pa.Table
    found: tuple[int, ...]
    twins: int


def row_keys(table: pa.Table, names: Sequence[str], rate_column: str | None) -> Keys:
    """The key of each row: of its texts in `names`, and of its rate where there is a column."""
    cells = [_bytes_of(table.column(name)) for name in names]
    if rate_column is not None:
        rates = table.column(rate_column).cast(pa.float64(), safe=False).to_pylist()
        cells.append([None if rate is None else repr(rate).encode() for rate in rates])
    digests = b"".join(_digest(row) for row in zip(*cells, strict=True))
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def fill(keys: Keys, sources: Sequence[Source], compute: Callable[[Ints], pa.Table]) -> Filled:
    """Look every row up, and `compute` those that no source has, the first of each key.

    `compute` gets places of rows and gives their added columns.
    """
    place = np.full(len(keys), -1, np.int64)  # of each row, in the parts joined
    parts: list[pa.Table] = []
    found: list[int] = []
    size = 0

    def add(rows: Ints, part: pa.Table) -> None:
        nonlocal size
        place[rows] = size + np.arange(len(rows))
        parts.append(part)
        size += len(rows)

    for source in sources:
        open_rows = np.flatnonzero(place < 0)
        before = len(open_rows)
        for at, part in source.find(keys[open_rows]):
            add(open_rows[at], part)
        found.append(before - int((place < 0).sum()))
    rest = np.flatnonzero(place < 0)
    firsts, twin_of = _unique(keys[rest])
    if len(firsts) or not parts:
        add(rest[firsts], compute(rest[firsts]))
        place[rest] = place[rest[firsts]][twin_of]
    joined = pa.concat_tables(parts)
    if not np.array_equal(place, np.arange(len(keys))):
        joined = joined.take(pa.array(place))
    return Filled(joined.combine_chunks(), tuple(found), len(rest) - len(firsts))


class Guarded:
    """A source for several threads: one looks up at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()

    def find(self, keys: Keys) -> list[tuple[Ints, pa.Table]]:
        with self._lock:
            return list(self._source.find(keys))


class Memory:
    """The latest results of a replica, up to so many bytes. Thread-safe."""

    def __init__(self, most_bytes: int = MEMORY_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._parts: OrderedDict[int, tuple[Keys, pa.Table]] = OrderedDict()
        self._places: dict[bytes, tuple[int, int]] = {}
        self._next = 0
        self._lock = threading.Lock()

    def add(self, keys: Keys, added: pa.Table) -> None:
        """Remember results; the oldest are forgotten when there are too many."""
        with self._lock:
            self._add(keys, added)

    def _add(self, keys: Keys, added: pa.Table) -> None:
        self._parts[self._next] = keys, added
        for row, key in enumerate(_raw(keys)):
            self._places[key] = self._next, row
        self._next += 1
        self._size += added.nbytes
        while self._size > self._most:
            number, (old, table) = self._parts.popitem(last=False)
            self._size -= table.nbytes
            for key in _raw(old):
                if self._places.get(key, (None,))[0] == number:
                    del self._places[key]

    def find(self, keys: Keys) -> Iterator[tuple[Ints, pa.Table]]:
        by_part: dict[int, list[tuple[int, int]]] = {}
        with self._lock:
            for at, key in enumerate(_raw(keys)):
                if key in self._places:
                    part, row = self._places[key]
                    by_part.setdefault(part, []).append((at, row))
            tables = {part: self._parts[part][1] for part in by_part}
        for part, pairs in by_part.items():
            at, rows = np.array(pairs, np.int64).T
            yield at, tables[part].take(pa.array(rows))


def _unique(keys: Keys) -> tuple[Ints, Ints]:
    """The first place of each distinct key, in order; and for each key its number among them."""
    numbers: dict[bytes, int] = {}
    firsts: list[int] = []
    twin_of = np.empty(len(keys), np.int64)
    for at, key in enumerate(_raw(keys)):
        number = numbers.setdefault(key, len(firsts))
        if number == len(firsts):
            firsts.append(at)
        twin_of[at] = number
    return np.array(firsts, np.int64), twin_of


def _raw(keys: Keys) -> Iterator[bytes]:
    data = keys.tobytes()
    return (data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES))


def _bytes_of(column: pa.ChunkedArray) -> list[bytes | None]:
    """The raw bytes of texts, or of lists of them, valid UTF-8 or not."""
    kind = column.type
    if is_passages(kind):
        binary = pa.large_list(pa.large_binary())
        lists = column.cast(pa.large_list(kind.value_type)).cast(binary).to_pylist()
        return [None if cells is None else _framed(cells) for cells in lists]
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_null(column.type):
        return [None] * len(column)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return list(column.cast(pa.large_binary()).to_pylist())


def _digest(cells: Sequence[bytes | None]) -> bytes:
    return hashlib.blake2b(_framed(cells), digest_size=KEY_BYTES).digest()


def _framed(cells: Sequence[bytes | None]) -> bytes:
    """All cells as one, and no other cells the same."""
    return b"".join(
        b"-" if cell is None else len(cell).to_bytes(8, "little") + b"+" + cell for cell in cells
    )
