"""Where the time of a job goes, from what its shards record and from its own ends run alone.

Replicas record their seconds and the model's. Reading and writing happen beside them, in other
processes; here the same functions run one after the other, in one, over the same files.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.rayjob import JobRun, job_config
from compressor.corpus.read import read_shards
from compressor.corpus.shards import read_units
from compressor.corpus.write import write_shard
from compressor.pipeline.prepare import make_plan, prepare
from compressor.pipeline.resources import Allocation, Node, allocate

PREPARING = ("tokenise", "words", "windows")
FINISHING = ("select", "count", "render")


@dataclass(frozen=True, slots=True)
class Ends:
    """Seconds for all of a corpus: to plan it, to read its shards, to write their files."""

    plan: float
    read: float
    write: float


def time_ends(config: BenchmarkConfig, source: Path, compressed: Path) -> Ends:
    """Plan and read the corpus `source`, and write the rows of `compressed` again elsewhere."""
    started = time.perf_counter()
    task = prepare(job_config(config, source, source.with_name("again")))
    plan = make_plan(task)
    planned = time.perf_counter()
    for unit in read_units(plan.shards):
        for _ in read_shards(task.source, unit, plan.schema):
            pass
    read = time.perf_counter() - planned
    writing = 0.0
    for file in sorted(compressed.glob("*.parquet")):
        table = pq.read_table(file)
        begun = time.perf_counter()
        write_shard(task.target, file.name, table, {})
        writing += time.perf_counter() - begun
    return Ends(planned - started, read, writing)


def parts_of(
    run: JobRun, ends: Ends, replicas: int, engine: Mapping[str, float] | None
) -> dict[str, float]:
    """Seconds of the wall clock by part; `engine`: the seconds of the engine's own parts, if known.

    Per replica: forward, and what surrounds it in the replica, divided as the engine's parts are.
    On a GPU it may run while another shard is in the model. What a replica waits for (Ray,
    reading, writing) is the rest of the time between the first row and the last.
    """
    busy, forward = run.replica_seconds / replicas, run.model_seconds / replicas
    around = busy - forward
    parts = {"start and end": run.wall - run.span, "forward": forward}
    if engine is None:
        parts["prepare and finish"] = around
    else:
        before, after = (sum(engine[name] for name in some) for some in (PREPARING, FINISHING))
        parts["prepare"] = around * before / (before + after)
        parts["finish"] = around * after / (before + after)
    parts["waiting"] = max(0.0, run.span - busy)
    return {**parts, "read, beside": ends.read, "write, beside": ends.write}


def allocation(config: BenchmarkConfig, shards: int) -> Allocation:
    """The replicas that the job has on this machine."""
    import torch

    node = Node(os.cpu_count() or 1, torch.cuda.device_count())
    return allocate(config.cluster, [node], device=config.model.device, shards=shards)
