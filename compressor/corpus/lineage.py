"""What a published version was made of: its input files, and which of them each shard holds.

Written below `_lineage/` before the commit that points to it, so a version and its lineage appear
together; the name is a digest of the content. A later refresh compares the input with it, which
costs one read however large the corpus is.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.shards import Piece, Shard, Shards
from compressor.corpus.storage import Entry, Storage
from compressor.corpus.write import CODEC

FOLDER = "_lineage"
GROUP = 16_384  # shards that are Python objects at a time
_FILES = pa.schema([("path", pa.string()), ("size", pa.int64()), ("version", pa.string())])
_PIECE = pa.struct(
    [
        ("path", pa.string()),
        ("version", pa.string()),
        ("first", pa.int32()),
        ("last", pa.int32()),
        ("rows", pa.int64()),
        ("start", pa.int64()),
    ]
)
_SHARDS = pa.schema(
    [
        ("index", pa.int32()),
        ("fingerprint", pa.string()),
        ("pieces", pa.list_(_PIECE)),
        ("bytes", pa.int64()),
        ("statistics", pa.string()),
    ]
)


@dataclass(frozen=True)
class Published:
    """Files of a version: their shards, sizes in bytes int64 [n], and statistics as JSON, strings
    [n].
    """

    shards: Shards
    bytes: npt.NDArray[np.int64]
    statistics: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.shards)

    def take(self, positions: npt.NDArray[np.int64]) -> "Published":
        """Those files alone."""
        return Published(
            self.shards.take(positions),
            self.bytes[positions],
            self.statistics.take(pa.array(positions)),
        )


NOTHING = Published(Shards.of(()), np.zeros(0, np.int64), pa.chunked_array([], pa.string()))


def write_lineage(target: Storage, files: Sequence[Entry], parts: Sequence[Published]) -> str:
    """Write both tables; returns the name that reads them back."""
    listing = pa.table([[getattr(file, name) for file in files] for name in _FILES.names], _FILES)
    data = {"files": _encoded([listing], _FILES), "shards": _encoded(_tables(parts), _SHARDS)}
    name = f"{FOLDER}/{hashlib.sha256(b''.join(data.values())).hexdigest()[:16]}"
    for part, content in data.items():
        target.put(f"{name}/{part}.parquet", content)
    return name


def read_files(target: Storage, name: str) -> list[Entry]:
    """The input files of a version, in the order of their paths."""
    return [Entry(**row) for row in _open(target, name, "files").read().to_pylist()]


def read_shards_of(target: Storage, name: str) -> Published:
    """The shards of a version."""
    file = _open(target, name, "shards")
    shards = Shards.of(
        Shard(row["index"], tuple(Piece(**piece) for piece in row["pieces"]), row["fingerprint"])
        for batch in file.iter_batches(GROUP, columns=["index", "fingerprint", "pieces"])
        for row in batch.to_pylist()
    )
    table = file.read(["bytes", "statistics"])
    return Published(shards, table.column("bytes").to_numpy(), table.column("statistics"))


def forget(target: Storage, name: str) -> None:
    """Delete the lineage of a version that can't be read any more."""
    filesystem, path = target.open()
    if filesystem.exists(f"{path}/{name}"):
        filesystem.rm(f"{path}/{name}", recursive=True)


_PIECE_NAMES = [field.name for field in _PIECE]


def _tables(parts: Sequence[Published]) -> Iterator[pa.Table]:
    for part in parts:
        for first in range(0, len(part), GROUP):
            some = slice(first, first + GROUP)
            rows = [
                {
                    "index": shard.index,
                    "fingerprint": shard.fingerprint,
                    "pieces": [
                        {name: getattr(piece, name) for name in _PIECE_NAMES}
                        for piece in shard.pieces
                    ],
                    "bytes": size,
                    "statistics": record,
                }
                for shard, size, record in zip(
                    part.shards[some],
                    part.bytes[some].tolist(),
                    part.statistics[some].to_pylist(),
                    strict=True,
                )
            ]
            yield pa.Table.from_pylist(rows, _SHARDS)


def _encoded(tables: Iterable[pa.Table], schema: pa.Schema) -> bytes:
    """As the bytes of a Parquet file, a row group for each table."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression=CODEC) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))
    return bytes(sink.getvalue().to_pybytes())


def _open(target: Storage, name: str, part: str) -> pq.ParquetFile:
    with target.explained():
        return pq.ParquetFile(pa.BufferReader(target.read(f"{name}/{part}.parquet")))
