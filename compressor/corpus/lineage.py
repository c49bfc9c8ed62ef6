"""What a published version was made of: its input files, and which of them each shard holds.

Written below `_lineage/` before the commit that points to it, so a version and its lineage appear
together; the name is a digest of the content. A later refresh compares the input with it, which
costs one read however large the corpus is.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.shards import Piece, Shard
from compressor.corpus.storage import Entry, Storage
from compressor.corpus.write import encode

FOLDER = "_lineage"
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


@dataclass(frozen=True, slots=True)
class PublishedShard:
    """A file of a version: the shard that it holds, its size and statistics (their record)."""

    shard: Shard
    bytes: int
    statistics: dict[str, Any]


def write_lineage(target: Storage, files: Sequence[Entry], shards: Sequence[PublishedShard]) -> str:
    """Write both tables; returns the name that reads them back."""
    listing = pa.table([[getattr(file, name) for file in files] for name in _FILES.names], _FILES)
    rows = [
        {
            "index": one.shard.index,
            "fingerprint": one.shard.fingerprint,
            "pieces": [{name: getattr(p, name) for name in _PIECE_NAMES} for p in one.shard.pieces],
            "bytes": one.bytes,
            "statistics": json.dumps(one.statistics, sort_keys=True),
        }
        for one in shards
    ]
    parts = {"files": encode(listing), "shards": encode(pa.Table.from_pylist(rows, _SHARDS))}
    name = f"{FOLDER}/{hashlib.sha256(b''.join(parts.values())).hexdigest()[:16]}"
    for part, data in parts.items():
        target.put(f"{name}/{part}.parquet", data)
    return name


def read_files(target: Storage, name: str) -> list[Entry]:
    """The input files of a version, in the order of their paths."""
    return [Entry(**row) for row in _read(target, name, "files").to_pylist()]


def read_shards_of(target: Storage, name: str) -> list[PublishedShard]:
    """The shards of a version."""
    return [
        PublishedShard(
            Shard(
                row["index"], tuple(Piece(**piece) for piece in row["pieces"]), row["fingerprint"]
            ),
            row["bytes"],
            json.loads(row["statistics"]),
        )
        for row in _read(target, name, "shards").to_pylist()
    ]


def forget(target: Storage, name: str) -> None:
    """Delete the lineage of a version that can't be read any more."""
    filesystem, path = target.open()
    if filesystem.exists(f"{path}/{name}"):
        filesystem.rm(f"{path}/{name}", recursive=True)


_PIECE_NAMES = [field.name for field in _PIECE]


def _read(target: Storage, name: str, part: str) -> pa.Table:
    with target.explained():
        return pq.read_table(pa.BufferReader(target.read(f"{name}/{part}.parquet")))
