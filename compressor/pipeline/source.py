"""The reading end of the Ray pipeline: planned shards become blocks of one row each."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from compressor.corpus.plan import Shard, read_units
from compressor.corpus.read import read_shards
from compressor.corpus.storage import Storage
from compressor.pipeline.payload import pack

if TYPE_CHECKING:
    from ray.data import DataContext


class ShardSource(Datasource):
    """One read task a shard; the shards that are parts of one row group share a task."""

    def __init__(
        self, storage: Storage, shards: Sequence[Shard], schema: pa.Schema, *, bytes_per_row: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._storage = storage
        self._units = read_units(shards)
        self._schema = schema
        self._bytes_per_row = bytes_per_row

    @property
    def tasks(self) -> int:
        """What `override_num_blocks` must say, or Ray cuts the blocks as it sees fit."""
        return len(self._units)

    def estimate_inmemory_data_size(self) -> int:
        rows = sum(shard.rows for unit in self._units for shard in unit)
        return int(rows * self._bytes_per_row)

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002  the plan has decided
        per_task_row_limit: int | None = None,
        data_context: "DataContext | None" = None,  # noqa: ARG002
    ) -> list[ReadTask]:
        return [
            ReadTask(
                partial(_read, self._storage, unit, self._schema),
                BlockMetadata(
                    num_rows=len(unit),
                    size_bytes=int(sum(shard.rows for shard in unit) * self._bytes_per_row),
                    input_files=None,
                    exec_stats=None,
                ),
                per_task_row_limit=per_task_row_limit,
            )
            for unit in self._units
        ]


def _read(storage: Storage, unit: Sequence[Shard], schema: pa.Schema) -> Iterator[Any]:
    for shard, table in zip(unit, read_shards(storage, unit, schema), strict=True):
        yield pack({"index": shard.index}, table)
