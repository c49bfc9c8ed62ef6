"""The shards of a plan, in columns: a million of them take some tens of megabytes on the driver.

A `Shard` is what one actor call works on. `Shards` holds many as arrays and makes the objects when
they are asked for; its parts travel to workers.
"""

import itertools
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

FINGERPRINT_DIGITS = 16
NAME = re.compile(rf"part-(\d{{5,}})-([0-9a-f]{{{FINGERPRINT_DIGITS}}})\.parquet")
WHOLE = -1  # stands for "whole row groups" in the column of first rows


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
        return file_name(self.index, self.fingerprint)


def file_name(index: int, fingerprint: str) -> str:
    """The output file of a shard; what `NAME` matches."""
    return f"part-{index:05d}-{fingerprint}.parquet"


class Shards(Sequence[Shard]):
    """Shards in the order of the input.

    `indices` int64 [n], `fingerprints` bytes [n]; the pieces of shard i are the rows `bounds[i]` to
    `bounds[i + 1]` of `pieces`, int64 [m, 5]: file, first, last, rows, start.
    `files`: path and version of each file.
    """

    __slots__ = ("bounds", "files", "fingerprints", "indices", "pieces")

    def __init__(
        self,
        files: Sequence[tuple[str, str]],
        indices: npt.NDArray[np.int64],
        fingerprints: npt.NDArray[np.bytes_],
        bounds: npt.NDArray[np.int64],
        pieces: npt.NDArray[np.int64],
    ) -> None:
        self.files, self.indices, self.fingerprints = files, indices, fingerprints
        self.bounds, self.pieces = bounds, pieces

    @classmethod
    def of(cls, shards: Iterable[Shard]) -> "Shards":
        """Put shards, which may be made one after the other, into columns."""
        numbers: dict[tuple[str, str], int] = {}
        index, bounds, pieces = array("q"), array("q", [0]), array("q")
        fingerprints = bytearray()
        for shard in shards:
            for piece in shard.pieces:
                number = numbers.setdefault((piece.path, piece.version), len(numbers))
                start = WHOLE if piece.start is None else piece.start
                pieces.extend((number, piece.first, piece.last, piece.rows, start))
            index.append(shard.index)
            bounds.append(len(pieces) // 5)
            fingerprints += shard.fingerprint.encode().ljust(FINGERPRINT_DIGITS, b"\0")
        return cls(
            tuple(numbers),
            np.array(index, np.int64),
            np.frombuffer(bytes(fingerprints), f"S{FINGERPRINT_DIGITS}"),
            np.array(bounds, np.int64),
            np.array(pieces, np.int64).reshape(-1, 5),
        )

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, at: int) -> Shard: ...
    @overload
    def __getitem__(self, at: slice) -> "Shards": ...

    def __getitem__(self, at: int | slice) -> "Shard | Shards":
        if isinstance(at, slice):
            return self.take(np.arange(*at.indices(len(self))))
        at = range(len(self))[at]
        rows: list[list[int]] = self.pieces[self.bounds[at] : self.bounds[at + 1]].tolist()
        return Shard(
            int(self.indices[at]),
            tuple(
                Piece(path, version, first, last, count, None if start == WHOLE else start)
                for file, first, last, count, start in rows
                for path, version in [self.files[file]]
            ),
            self.fingerprints[at].decode(),
        )

    def take(self, positions: npt.NDArray[np.int64]) -> "Shards":
        """Those shards alone, with the files that they need."""
        counts = np.diff(self.bounds)[positions]
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        first = np.repeat(self.bounds[:-1][positions] - bounds[:-1], counts)
        pieces = self.pieces[first + np.arange(bounds[-1])]
        used, numbers = np.unique(pieces[:, 0], return_inverse=True)
        pieces[:, 0] = numbers.reshape(-1)
        files = tuple(self.files[file] for file in used.tolist())
        return Shards(files, self.indices[positions], self.fingerprints[positions], bounds, pieces)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Rows of each shard, int64 [n]."""
        sums = np.concatenate([[0], np.cumsum(self.pieces[:, 3])])
        return np.diff(sums[self.bounds])

    def find(self, name: str) -> int | None:
        """The position of the shard with this output file, in shards numbered from 0."""
        match = NAME.fullmatch(name)
        if match is None:
            return None
        at = int(match[1])
        same = at < len(self) and self.fingerprints[at] == match[2].encode()
        return at if same and self.indices[at] == at else None

    def without(self, names: Iterable[str]) -> "Shards":
        """The shards whose output files are not among the `names`; numbered from 0 before."""
        lacking = np.ones(len(self), bool)
        for name in names:
            at = self.find(name)
            if at is not None:
                lacking[at] = False
        return self.take(np.flatnonzero(lacking))


def read_units(shards: Iterable[Shard]) -> list[tuple[Shard, ...]]:
    """Shards that are read in one go: the parts of one row group, else each for itself.

    Parquet can't skip to a row inside a row group, so parts read one by one would decode the
    group once for each.
    """
    columns = shards if isinstance(shards, Shards) else Shards.of(shards)
    return [tuple(columns[a:b]) for a, b in itertools.pairwise(unit_bounds(columns).tolist())]


def unit_bounds(shards: Shards) -> npt.NDArray[np.int64]:
    """Where the units of `read_units` begin, and the end; int64 [units + 1]."""
    single = np.diff(shards.bounds) == 1
    if not len(shards):
        return np.zeros(1, np.int64)
    head = np.minimum(shards.bounds[:-1], len(shards.pieces) - 1)
    piece = shards.pieces[head] if len(shards.pieces) else np.full((len(shards), 5), WHOLE)
    part = single & (piece[:, 4] != WHOLE)
    joined = part[1:] & part[:-1] & (piece[1:, :2] == piece[:-1, :2]).all(axis=1)
    begins = np.concatenate([[True], ~joined])
    return np.append(np.flatnonzero(begins), len(shards)).astype(np.int64)
