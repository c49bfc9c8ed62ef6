"""The writing end of the Ray pipeline: each shard becomes its file, whole or not at all."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from ray.data.block import Block
from ray.data.datasource import Datasink, WriteResult

from compressor.corpus.storage import Storage, reason_of
from compressor.corpus.write import write_shard
from compressor.errors import JobError
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.findings import packed
from compressor.pipeline.metrics import WRITE_OF_A_SHARD, record
from compressor.pipeline.payload import unpack
from compressor.pipeline.tally import Handle, count_shard

Done = list[str]
RETURNED = ("index", "statistics", "measured")  # what the driver needs to know


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """How shards become files; `plain` as `encode` explains it."""

    storage: Storage
    schema: pa.Schema
    plain: bool

    def write(self, about: Mapping[str, Any], table: pa.Table) -> int:
        """Write a shard's file, its statistics in the record; returns its size in bytes.

        Raises `JobError` where the storage doesn't take it.
        """
        record = {**about["record"], "statistics": about["statistics"]}
        if "findings" in about:
            record["findings"] = about["findings"]
        table = pa.Table.from_arrays(table.columns, schema=self.schema)
        try:
            return write_shard(self.storage, about["name"], table, record, plain=self.plain)
        except OSError as error:  # the filesystem has tried again where that makes sense
            raise JobError(
                f"{self.storage.url}/{about['name']}: can't be written: {reason_of(error)}; "
                "what is done is kept, a rerun continues"
            ) from error


class ShardSink(Datasink[Done]):
    """Writes shards; what each replica measured comes back in `done`, a line of JSON a shard.

    A line is a sixth of the objects that it stands for, and Ray hands over all of them at the end;
    `findings` are packed in it.

    A task that is run again after a crash writes the same bytes again.
    """

    def __init__(self, files: ShardFiles, budget: ErrorBudget, tally: Handle) -> None:
        self._files, self._budget, self._tally = files, budget, tally
        self.done: Done = []

    def write(self, blocks: Iterable[Block], ctx: Any) -> Done:  # noqa: ARG002
        return [self._write(about, table) for block in blocks for about, table in unpack(block)]

    def _write(self, about: dict[str, Any], table: pa.Table) -> str:
        index, statistics, measured = (about[name] for name in RETURNED)
        started = time.monotonic()
        size = self._files.write(about, table)
        record(WRITE_OF_A_SHARD, time.monotonic() - started, self._tally.labels)
        self._budget.check(count_shard(self._tally, index, statistics, measured, size))
        entry = {**{name: about[name] for name in RETURNED}, "bytes": size}
        if "findings" in about:
            entry["findings"] = packed(about["findings"])
        return json.dumps(entry)

    def on_write_complete(self, write_result: WriteResult[Done]) -> None:
        self.done = [entry for returned in write_result.write_returns for entry in returned]
