"""Tables to the output directory: one Parquet file a shard, and the record of what it holds.

The file depends on nothing but the shard (no times, hosts or random names in it), so that a retry
writes the same bytes under the same name. Its statistics ride in its footer: a later run rebuilds
the totals from the footers alone.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.files import FOOTER_READERS
from compressor.corpus.storage import Storage

RECORD = b"compressor.shard"
CODEC = "zstd"
RECORDS_AT_ONCE = 1024  # a pool takes all that it is given at once


def write_shard(
    storage: Storage, name: str, table: pa.Table, record: Mapping[str, Any], *, plain: bool = False
) -> int:
    """Write one file as a whole; returns its size in bytes."""
    data = encode(table, record, plain=plain)
    storage.put(name, data)
    return len(data)


def encode(
    table: pa.Table, record: Mapping[str, Any] | None = None, *, plain: bool = False
) -> bytes:
    """A table as the bytes of a Parquet file of one row group.

    `plain`: with the types that Parquet itself has, so that a list of fixed size is a list and a
    dictionary of strings a string. Readers of Delta Lake trust the log's schema and trip over
    Arrow's.
    """
    sink = pa.BufferOutputStream()
    schema = table.schema
    with pq.ParquetWriter(sink, schema, compression=CODEC, store_schema=not plain) as writer:
        writer.write_table(table, row_group_size=max(1, table.num_rows))
        if record is not None:
            writer.add_key_value_metadata({RECORD: json.dumps(record, sort_keys=True).encode()})
    return bytes(sink.getvalue().to_pybytes())


def read_records(storage: Storage, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The records in the footers of finished files, by name."""
    return dict(each_record(storage, names))


def each_record(storage: Storage, names: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same one after the other, many being read at a time; no more than those are held."""
    filesystem, path = storage.open()

    def read(name: str) -> dict[str, Any]:
        with filesystem.open(f"{path}/{name}", "rb") as source:
            metadata = pq.read_metadata(source).metadata or {}
        record: dict[str, Any] = json.loads(metadata[RECORD])
        return record

    waiting = iter(names)
    with ThreadPoolExecutor(FOOTER_READERS) as pool:
        while some := list(itertools.islice(waiting, RECORDS_AT_ONCE)):
            yield from zip(some, pool.map(read, some), strict=True)
