"""The writing end of the Ray pipeline: each shard becomes its file, whole or not at all."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from ray.data.block import Block
from ray.data.datasource import Datasink, WriteResult

from compressor.corpus.storage import Storage
from compressor.corpus.write import write_shard
from compressor.pipeline.payload import unpack

Done = list[dict[str, Any]]


class ShardSink(Datasink[Done]):
    """Writes shards; what each replica measured comes back in `done`, one entry a shard.

    `records` are the parts of the files' records that are known before the start, by shard. A
    task that is run again after a crash writes the same bytes again.
    """

    def __init__(
        self,
        storage: Storage,
        schema: pa.Schema,
        names: Mapping[int, str],
        records: Mapping[int, Mapping[str, Any]],
        tally: Any,
    ) -> None:
        self._storage, self._schema = storage, schema
        self._names, self._records, self._tally = names, records, tally
        self.done: Done = []

    def write(self, blocks: Iterable[Block], ctx: Any) -> Done:  # noqa: ARG002
        return [self._write(about, table) for block in blocks for about, table in unpack(block)]

    def _write(self, about: dict[str, Any], table: pa.Table) -> dict[str, Any]:
        index, statistics = about["index"], about["statistics"]
        record = {**self._records[index], "statistics": statistics}
        table = pa.Table.from_arrays(table.columns, schema=self._schema)
        size = write_shard(self._storage, self._names[index], table, record)
        self._tally.add.remote(index, statistics)
        return {**about, "bytes": size}

    def on_write_complete(self, write_result: WriteResult[Done]) -> None:
        self.done = [entry for returned in write_result.write_returns for entry in returned]
