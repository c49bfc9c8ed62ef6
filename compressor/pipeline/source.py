"""The reading end of the Ray pipeline: planned shards become blocks of one row each."""

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from compressor.corpus.read import read_shards
from compressor.corpus.shards import Shards, read_units, unit_bounds
from compressor.corpus.storage import Storage
from compressor.engine.compression import Threshold
from compressor.pipeline.payload import pack
from compressor.pipeline.resume import shard_record

if TYPE_CHECKING:
    from ray.data import DataContext

MOST_TASKS = 10_000  # Ray's driver holds them all; a task streams what it reads, shard by shard


class ShardSource(Datasource):
    """One read task a shard; the shards that are parts of one row group share a task.

    Where there are more than `MOST_TASKS`, neighbours share one. `threshold` goes into the records
    of the shards' files.
    """

    def __init__(
        self,
        storage: Storage,
        shards: Shards,
        schema: pa.Schema,
        *,
        threshold: Threshold | None,
        bytes_per_row: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._storage, self._shards, self._schema = storage, shards, schema
        self._threshold, self._bytes_per_row = threshold, bytes_per_row
        units = unit_bounds(shards)
        count = min(MOST_TASKS, len(units) - 1)
        self._bounds = units[np.arange(count + 1) * (len(units) - 1) // max(1, count)]

    @property
    def tasks(self) -> int:
        """What `override_num_blocks` must say, or Ray cuts the blocks as it sees fit."""
        return len(self._bounds) - 1

    def estimate_inmemory_data_size(self) -> int:
        return int(self._shards.rows.sum() * self._bytes_per_row)

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002  the plan has decided
        per_task_row_limit: int | None = None,
        data_context: "DataContext | None" = None,  # noqa: ARG002
    ) -> list[ReadTask]:
        tasks = []
        for first, end in zip(self._bounds[:-1].tolist(), self._bounds[1:].tolist(), strict=True):
            part = self._shards[first:end]
            tasks.append(
                ReadTask(
                    partial(_read, self._storage, part, self._schema, self._threshold),
                    BlockMetadata(
                        num_rows=len(part),
                        size_bytes=int(part.rows.sum() * self._bytes_per_row),
                        input_files=None,
                        exec_stats=None,
                    ),
                    per_task_row_limit=per_task_row_limit,
                )
            )
        return tasks


def _read(
    storage: Storage, shards: Shards, schema: pa.Schema, threshold: Threshold | None
) -> Iterator[Any]:
    for unit in read_units(shards):
        for shard, table in zip(unit, read_shards(storage, unit, schema), strict=True):
            about = {
                "index": shard.index,
                "name": shard.name,
                "record": shard_record(shard, threshold),
                "read": time.time(),
            }
            yield pack(about, table)
