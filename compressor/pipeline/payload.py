"""How a shard travels through Ray Data: one row that holds the whole table as Arrow IPC bytes.

Ray Data splits, merges and rewrites blocks of ordinary rows, and that damages what it doesn't
know (columns of nulls, dictionaries, extension types, empty tables). It never looks inside a row,
so a shard stays one piece from the reader through a replica to its file, and one read task can
stream the many shards of a large row group.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

ABOUT, TABLE = "about", "table"


def pack(about: Mapping[str, Any], table: pa.Table) -> pa.Table:
    """A block of one row: `about` the shard, and its table."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = sink.getvalue()
    offsets = pa.py_buffer(pa.array([0, data.size], pa.int64()).buffers()[1])
    payload = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, data])
    return pa.table({ABOUT: pa.array([json.dumps(about)]), TABLE: payload})


def unpack(block: pa.Table) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """What `pack` put in, for each row of a block; the tables share the block's memory."""
    for about, payload in zip(block.column(ABOUT), block.column(TABLE), strict=True):
        yield json.loads(about.as_py()), pa.ipc.open_stream(payload.as_buffer()).read_all()
