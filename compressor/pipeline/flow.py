"""The Ray part of the job: source -> replicas -> sink, for the shards that are not done yet."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from compressor.config import CompressConfig
from compressor.corpus.plan import Plan
from compressor.corpus.shards import Shards
from compressor.corpus.storage import Storage
from compressor.pipeline.await_nodes import allocation_on
from compressor.pipeline.calibrate import threshold_for
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.failure import unwrapped
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.progress import shown
from compressor.pipeline.replica import ModelSpec, Replica, Work
from compressor.pipeline.resources import IO_TASK_CPUS, Allocation
from compressor.pipeline.resume import announce
from compressor.pipeline.session import on_cluster, quiet_data, session
from compressor.pipeline.sink import ShardFiles, ShardSink
from compressor.pipeline.source import ShardSource
from compressor.pipeline.takeover import Takeover, index_files, shared
from compressor.pipeline.tally import Extent, Handle, start_tally
from compressor.pipeline.waves import waves

# The shards that a replica holds when it dies are tried again. What a text can do to a process is
# dealt with by the replica; this is for machines that go, and an end to what never works.
MOST_RESTARTS = 6
MORE_LOST = 2  # replicas while they start, beyond all of them at once: a node that goes takes many
SHARDS_QUEUED_PER_REPLICA = 2  # the next shard is there when one is done
# While the GPU works on one shard, another one is tokenised or written down, and its batches wait
# behind those of the first. On a CPU that would only take cores from the model.
SHARDS_AT_ONCE_PER_GPU = 2
MEMORY_PER_STORED_BYTE = 4  # decoded over compressed Parquet, a guess for Ray's accounting


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be done: which shards of which plan, and where the files go.

    `model` is the digest of the model that is planned with, `takeover` the files of a published
    version whose rows may be taken over, `errors` the rows that have failed in what is there
    already.
    """

    config: CompressConfig
    source: Storage
    target: Storage
    plan: Plan
    shards: Shards
    model: str
    takeover: Sequence[str] = ()
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """What shards pass through: the actor's class, what one is made with, and how many shards are
    `at_once` in it. An actor that can't start says so when it is called, not before.
    """

    replica: type[Any]
    arguments: tuple[Any, ...]
    at_once: int = 1


def compress_shards(work: Assignment, ledger: Ledger) -> Ledger:
    """Compress and write the shards; returns the ledger with what is known of each.

    Raises `InputError` for a model, settings or resources that can't be had, else `JobError`.
    """
    config = work.config
    with session(config.cluster.address) as nodes, unwrapped():
        allocation = allocation_on(
            config.cluster, nodes, device=config.model.device, shards=len(work.shards)
        )
        announce(work.target, config)
        tally = start_tally(extent(work.plan, work.shards, allocation), work.target.url)
        with shown(tally):
            return on_cluster(_compress, work, ledger, allocation, tally)


def _compress(work: Assignment, ledger: Ledger, allocation: Allocation, tally: Handle) -> Ledger:
    config, plan, settings = work.config, work.plan, work.config.compression
    options = dict(config.input.storage_options)
    spec = ModelSpec(config.model, options, allocation.threads, work.model)
    if settings.scope == "corpus" and ledger.threshold is None:
        found = threshold_for(work.source, plan, spec, settings, allocation)
        ledger.threshold, ledger.calibration_seconds = found
    files = ShardFiles(work.target, plan.output_schema, plain=config.output.format == "delta")
    budget = ErrorBudget(config.output.max_error_rate, plan.rows, work.errors)
    stage = Stage(
        Replica,
        (Work(spec, settings, plan.columns, ledger.threshold), tally, _takeover(work)),
        at_once=SHARDS_AT_ONCE_PER_GPU if allocation.gpus else 1,
    )
    reader = partial(
        ShardSource,
        work.source,
        schema=plan.schema,
        threshold=ledger.threshold,
        bytes_per_row=bytes_per_row(plan),
    )
    flow(work.shards, reader, stage, partial(ShardSink, files, budget, tally), allocation, ledger)
    return ledger


def _takeover(work: Assignment) -> Any:
    """A reference to what replicas may take over, None where there is nothing."""
    if not work.takeover:
        return None
    columns, rate_column = work.plan.columns, work.config.compression.rate_column
    index = index_files(work.target, work.takeover, columns, rate_column)
    return shared(Takeover(work.target, work.takeover, columns, index))


def flow(
    shards: Shards,
    reader: Callable[[Shards], ShardSource],
    stage: Stage,
    writer: Callable[[], ShardSink],
    allocation: Allocation,
    ledger: Ledger,
) -> None:
    """Read, work on and write the shards, wave by wave; the ledger learns of each."""
    for some in waves(shards):
        sink = writer()
        with quiet_data(lost_starting=allocation.most + MORE_LOST):
            _flow(reader(some), stage, sink, allocation)
        for line in sink.done:
            entry = json.loads(line)
            ledger.add(entry["index"], entry)


def _flow(reader: ShardSource, stage: Stage, sink: ShardSink, allocation: Allocation) -> None:
    import ray
    from ray.data import ActorPoolStrategy

    at_once = stage.at_once
    # All are asked for at once, and the first that is there begins: those without room yet are what
    # an autoscaler sees. Let grow, a pool gets a share of the CPUs that is too small for its most.
    pool = ActorPoolStrategy(
        size=allocation.most,
        max_tasks_in_flight_per_actor=SHARDS_QUEUED_PER_REPLICA + at_once - 1,
        max_concurrent_calls_per_actor=at_once,
        enable_true_multi_threading=at_once > 1,
    )
    # Reading books other CPUs than the replicas, so Ray doesn't fuse it into them: the next
    # shard is read while one is compressed.
    dataset = ray.data.read_datasource(
        reader, override_num_blocks=reader.tasks, num_cpus=IO_TASK_CPUS
    ).map_batches(
        stage.replica,
        fn_constructor_args=stage.arguments,
        compute=pool,
        batch_size=1,  # a row is a shard
        batch_format="pyarrow",
        num_cpus=allocation.cpus,
        num_gpus=allocation.gpus,
        max_restarts=MOST_RESTARTS,
        # While its node is gone but not yet known to be, a shard fails many times in a few seconds;
        # the replica counts how often it was really begun.
        max_task_retries=-1,
    )
    dataset.write_datasink(sink, ray_remote_args={"num_cpus": IO_TASK_CPUS})


def extent(plan: Plan, missing: Shards, allocation: Allocation) -> Extent:
    """What is to be done of a plan, with how many replicas."""
    before = plan.rows - int(missing.rows.sum())
    return Extent(plan.rows, before, allocation.most, plan.bytes / max(1, plan.rows))


def bytes_per_row(plan: Plan) -> float:
    """Of the input in memory, for Ray's accounting."""
    return MEMORY_PER_STORED_BYTE * plan.bytes / max(1, plan.rows)
