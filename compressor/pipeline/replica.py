"""The actor of the pipeline: a model, loaded once, that compresses shard after shard."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_fixed

from compressor.config import CompressionSection, ModelSection
from compressor.corpus.columns import TextColumn, added_fields
from compressor.engine.compression import Threshold
from compressor.errors import InputError, JobError
from compressor.pipeline.failure import CRASHED
from compressor.pipeline.isolate import Isolation
from compressor.pipeline.metrics import (
    MODEL_OF_A_SHARD,
    QUEUE_OF_A_SHARD,
    REPLICA_TOKENS,
    record,
)
from compressor.pipeline.payload import pack, unpack
from compressor.pipeline.presence import attend
from compressor.pipeline.reuse import Guarded, Ints, Memory, Source, fill, row_keys
from compressor.pipeline.rows import CONFIDENCE, compress_table, engine_options
from compressor.pipeline.signals import signals
from compressor.pipeline.statistics import Statistics, statistics_of
from compressor.pipeline.tally import WORKING, Handle, begin_shard

if TYPE_CHECKING:
    from compressor.engine.compressor import Compressor

PROBE = "A first text shows whether the settings work with this model."
LOADS = 3  # tries; storage and GPUs have hiccups
LOAD_WAIT_SECONDS = 2.0
MOST_ATTEMPTS = 6  # of a shard, whose replica died each time although its rows were isolated


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """How a worker gets the model, the threads it may use, and the digest of the planned model."""

    model: ModelSection
    storage_options: dict[str, Any]
    threads: int
    digest: str


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each table."""

    spec: ModelSpec
    settings: CompressionSection
    columns: Sequence[TextColumn]
    threshold: Threshold | None

    def do(self, table: pa.Table, compressor: "Compressor") -> tuple[pa.Table, Statistics]:
        settings, columns = self.settings, self.columns
        return compress_table(table, compressor, settings, columns, self.threshold, confident=True)

    def check_settings(self, compressor: "Compressor") -> None:
        """Settings that the engine refuses must stop the job, not fail every row of it."""
        try:
            options = engine_options(self.settings)
            compressor.compress([PROBE], self.settings.rate, **options)
        except ValueError as error:
            raise InputError(f"compression: {error}") from error


def own_name() -> str:
    """What a report calls this process: its node's address and its number there."""
    import ray

    address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"{address} {os.getpid()}"


def load(spec: ModelSpec) -> "Compressor":
    """Load the model in this process with the threads that are its own.

    Raises `InputError` for a model that can't be used, `JobError` for another than planned with.
    """
    use_threads(spec.threads)
    from compressor.engine.compressor import Compressor

    return Compressor.from_pretrained(
        spec.model.name,
        device=spec.model.device,
        dtype=spec.model.dtype,
        max_batch_tokens=spec.model.max_batch_tokens,
        storage_options=spec.storage_options,
        expected_digest=spec.digest,
    )


def load_patiently(loads: Callable[[ModelSpec], "Compressor"], spec: ModelSpec) -> "Compressor":
    """Try again where loading fails for another reason than the model itself."""
    again = Retrying(
        stop=stop_after_attempt(LOADS),
        wait=wait_fixed(LOAD_WAIT_SECONDS),
        retry=retry_if_not_exception_type((InputError, JobError)),
        reraise=True,
    )
    return again(loads, spec)


def use_threads(threads: int) -> None:
    """Ray starts workers with OMP_NUM_THREADS=1 or so, which would leave a replica one core."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    import torch

    torch.set_num_threads(threads)


def record_attempt(about: Mapping[str, Any], tally: Handle) -> None:
    """The metrics of a shard that a replica is done with, whatever becomes of it then."""
    measured, labels = about["measured"], tally.labels
    record(QUEUE_OF_A_SHARD, measured["queue_seconds"], labels)
    if "model_seconds" in measured:
        record(MODEL_OF_A_SHARD, measured["model_seconds"], labels)
    record(REPLICA_TOKENS, about["statistics"]["original_tokens"], labels)


class Replica:
    """What Ray Data calls with a block of shards, from several threads where the device is a GPU.

    `takeover` is a reference to the results of a published version, where there is one. A shard
    whose replica has died before is compressed in a process of its own, which may die in turn.
    """

    loads: Callable[[ModelSpec], "Compressor"] = staticmethod(load)

    def __init__(self, work: Work, tally: Handle, takeover: Any = None) -> None:
        show = attend(tally)
        self._work, self._tally, self._name = work, tally, own_name()
        self._added = [field.name for field in added_fields(work.columns)]
        self._memory = Memory()
        self._sources: list[Source] = [self._memory]
        if takeover is not None:
            import ray

            self._sources.insert(0, Guarded(ray.get(takeover)))
        self._failure: Exception | None = None
        try:
            self._compressor = load_patiently(self.loads, work.spec)
            work.check_settings(self._compressor)
            show(WORKING)
        except Exception as error:  # for the first shard to tell: a replica that ends here is
            self._failure = error  # replaced as if its machine had gone, and so on and on

    def __call__(self, block: pa.Table) -> pa.Table:
        if self._failure is not None:
            raise self._failure
        return pa.concat_tables(self._compress(about, table) for about, table in unpack(block))

    def _compress(self, about: dict[str, Any], table: pa.Table) -> pa.Table:
        started, measured = time.time(), Statistics()
        settings, columns = self._work.settings, self._work.columns
        names = [column.name for column in columns]
        rated = [settings.rate_column] if settings.rate_column else []
        own = table.select(list(dict.fromkeys([*names, *rated])))
        keys = row_keys(table, names, settings.rate_column)

        def compute(rows: Ints) -> pa.Table:
            nonlocal measured
            whole = np.array_equal(rows, np.arange(table.num_rows))
            part = own if whole else own.take(pa.array(rows))
            result, measured = self._do(about["index"], part)
            added = result.select([*self._added, CONFIDENCE])
            self._memory.add(keys[rows], added)
            return added

        filled = fill(keys, self._sources, compute)
        result = table
        for name in self._added:
            result = result.append_column(filled.added.field(name), filled.added.column(name))
        about["statistics"] = statistics_of(filled.added, columns).record()
        confidence = filled.added.column(CONFIDENCE).to_numpy()
        about["findings"] = signals(result, about["name"], columns, keys, confidence)
        about["measured"] = {
            **measured.measured(),
            "reused": sum(filled.found[:-1]),
            "duplicates": filled.found[-1] + filled.twins,
            "queue_seconds": max(0.0, started - about["read"]),  # by the clocks of two nodes
            "seconds": time.time() - started,
            "finished": time.time(),
            "device": str(self._compressor.device),
            "dtype": str(self._compressor.dtype),
            "replica": self._name,
        }
        record_attempt(about, self._tally)
        return pack(about, result)

    def _do(self, index: int, table: pa.Table) -> tuple[pa.Table, Statistics]:
        """Compress here; where that has killed a process before, in one that may be lost."""
        before = begin_shard(self._tally, index)
        if before >= MOST_ATTEMPTS:
            raise JobError(CRASHED)
        if before == 0:
            return self._work.do(table, self._compressor)
        with Isolation(self._work, self.loads) as isolation:
            return isolation.compress(table)
