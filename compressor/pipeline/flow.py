"""The Ray part of the job: source -> replicas -> sink, for the shards that are not done yet."""

from collections.abc import Sequence
from typing import Any

from compressor.config import CompressConfig
from compressor.corpus.plan import Plan, Shard
from compressor.corpus.storage import Storage
from compressor.pipeline.calibrate import threshold_for
from compressor.pipeline.failure import unwrapped
from compressor.pipeline.progress import shown, start_tally
from compressor.pipeline.replica import ModelSpec, Replica
from compressor.pipeline.resources import IO_TASK_CPUS, Allocation, allocate
from compressor.pipeline.resume import announce, shard_record
from compressor.pipeline.session import on_cluster, quiet_data, session
from compressor.pipeline.sink import ShardSink
from compressor.pipeline.source import ShardSource

# A shard whose replica dies is tried again twice; a text that kills the process every time must
# end the job, not keep it restarting.
MOST_RESTARTS = 2
SHARDS_QUEUED_PER_REPLICA = 2  # the next shard is there when one is done
MEMORY_PER_STORED_BYTE = 4  # decoded over compressed Parquet, a guess for Ray's accounting


def compress_shards(
    config: CompressConfig,
    source: Storage,
    target: Storage,
    plan: Plan,
    shards: Sequence[Shard],
    threshold: float | None,
) -> tuple[float | None, dict[int, dict[str, Any]]]:
    """Compress and write `shards`; returns the threshold and what is known of each, by index.

    `threshold` is the one of an earlier run over the same corpus, if there was one. Raises
    `InputError` for a model, settings or resources that can't be had, else `JobError`.
    """
    with session(config.cluster.address) as nodes, unwrapped():
        allocation = allocate(config.cluster, nodes, device=config.model.device, shards=len(shards))
        announce(target, config)
        tally = start_tally()
        before = plan.rows - sum(shard.rows for shard in shards)
        with shown(tally, plan.rows, before):
            return on_cluster(
                _compress, config, source, target, plan, shards, threshold, allocation, tally
            )


def _compress(
    config: CompressConfig,
    source: Storage,
    target: Storage,
    plan: Plan,
    shards: Sequence[Shard],
    threshold: float | None,
    allocation: Allocation,
    tally: Any,
) -> tuple[float | None, dict[int, dict[str, Any]]]:
    spec = ModelSpec(config.model, dict(config.input.storage_options), allocation.threads)
    settings = config.compression
    if settings.scope == "corpus" and threshold is None:
        threshold, _ = threshold_for(source, plan, spec, settings, allocation)
    sink = ShardSink(
        target,
        plan.output_schema,
        {shard.index: shard.name for shard in shards},
        {shard.index: shard_record(shard, threshold) for shard in shards},
        tally,
    )
    reader = ShardSource(source, shards, plan.schema, bytes_per_row=_bytes_per_row(plan))
    with quiet_data():
        _flow(reader, (spec, settings, plan.columns, threshold), sink, allocation)
    return threshold, {entry["index"]: entry for entry in sink.done}


def _flow(
    reader: ShardSource, arguments: tuple[Any, ...], sink: ShardSink, allocation: Allocation
) -> None:
    import ray
    from ray.data import ActorPoolStrategy

    pool = ActorPoolStrategy(
        min_size=allocation.least,
        max_size=allocation.most,
        max_tasks_in_flight_per_actor=SHARDS_QUEUED_PER_REPLICA,
    )
    # Reading books other CPUs than the replicas, so Ray doesn't fuse it into them: the next
    # shard is read while one is compressed.
    dataset = ray.data.read_datasource(
        reader, override_num_blocks=reader.tasks, num_cpus=IO_TASK_CPUS
    ).map_batches(
        Replica,
        fn_constructor_args=arguments,
        compute=pool,
        batch_size=1,  # a row is a shard
        batch_format="pyarrow",
        num_cpus=allocation.cpus,
        num_gpus=allocation.gpus,
        max_restarts=MOST_RESTARTS,
        max_task_retries=MOST_RESTARTS,
    )
    dataset.write_datasink(sink, ray_remote_args={"num_cpus": IO_TASK_CPUS})


def _bytes_per_row(plan: Plan) -> float:
    return MEMORY_PER_STORED_BYTE * plan.bytes / max(1, plan.rows)
