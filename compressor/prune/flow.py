"""The Ray part of the job: the pool embedded, then source -> replicas -> sink for the rest."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from compressor.corpus.shards import Shards
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.failure import unwrapped
from compressor.pipeline.progress import shown, start_tally
from compressor.pipeline.resources import IO_TASK_CPUS, Allocation, allocate
from compressor.pipeline.session import on_cluster, quiet_data, session
from compressor.pipeline.sink import ShardFiles, ShardSink
from compressor.pipeline.source import ShardSource
from compressor.prune.replica import Embedder, Replica, Work
from compressor.prune.task import Task
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot

MOST_RESTARTS = 3
SHARDS_QUEUED_PER_REPLICA = 2
EMBEDDED_AT_ONCE = 512


def prune_shards(
    task: Task, shots: Sequence[Shot] | None, missing: Shards, errors: int
) -> dict[int, dict[str, Any]]:
    """Do the shards and write them; what is known of each, by index.

    shots: the pool, where rows are questions; errors: rows that failed in what is there already.
    Raises `InputError` for a policy or resources that can't be had, else `JobError`.
    """
    cluster, device = task.config.cluster, task.config.policy.device
    with session(cluster.address) as nodes, unwrapped():
        allocation = allocate(cluster, nodes, device=device, shards=len(missing))
        tally = start_tally()
        before = task.plan.rows - int(missing.rows.sum())
        with shown(tally, task.plan.rows, before):
            return on_cluster(_prune, task, shots, missing, errors, allocation, tally)


def _prune(
    task: Task,
    shots: Sequence[Shot] | None,
    missing: Shards,
    errors: int,
    allocation: Allocation,
    tally: Any,
) -> dict[int, dict[str, Any]]:
    import ray
    from ray.data import ActorPoolStrategy

    # In a list, so that Ray hands on the reference and doesn't fetch the pool on the way.
    pool = None if shots is None else [ray.put(_embedded(task, shots, allocation))]
    budget = ErrorBudget(task.config.output.max_error_rate, task.plan.rows, errors)
    sink = ShardSink(ShardFiles(task.target, task.schema, plain=False), budget, tally)
    per_row = 4 * task.plan.bytes / max(1, task.plan.rows)  # decoded over compressed, a guess
    reader = ShardSource(
        task.source, missing, task.plan.schema, threshold=None, bytes_per_row=per_row
    )
    with quiet_data():
        dataset = ray.data.read_datasource(
            reader, override_num_blocks=reader.tasks, num_cpus=IO_TASK_CPUS
        ).map_batches(
            Replica,
            fn_constructor_args=(Work(task.config, allocation.threads, pool), tally),
            compute=ActorPoolStrategy(
                min_size=allocation.least,
                max_size=allocation.most,
                max_tasks_in_flight_per_actor=SHARDS_QUEUED_PER_REPLICA,
            ),
            batch_size=1,  # a row is a shard
            batch_format="pyarrow",
            num_cpus=allocation.cpus,
            num_gpus=allocation.gpus,
            max_restarts=MOST_RESTARTS,
            max_task_retries=MOST_RESTARTS,
        )
        dataset.write_datasink(sink, ray_remote_args={"num_cpus": IO_TASK_CPUS})
    return {entry["index"]: entry for entry in sink.done}


def _embedded(task: Task, shots: Sequence[Shot], allocation: Allocation) -> Pool:
    """The pool with its embeddings, made by as many actors as there will be replicas."""
    import ray
    from ray.util import ActorPool

    questions = [shot.question for shot in shots]
    parts = [
        questions[at : at + EMBEDDED_AT_ONCE] for at in range(0, len(questions), EMBEDDED_AT_ONCE)
    ]
    actor: Any = ray.remote(Embedder)
    actors = [
        actor.options(
            num_cpus=allocation.cpus,
            num_gpus=allocation.gpus,
            max_restarts=MOST_RESTARTS,
            max_task_retries=MOST_RESTARTS,
        ).remote(task.config, allocation.threads)
        for _ in range(min(allocation.least, len(parts)))
    ]
    try:
        pool: Any = ActorPool(actors)
        found = list(pool.map(lambda one, part: one.embed.remote(part), parts))
    finally:
        for one in actors:
            ray.kill(one)
    return Pool(shots, np.concatenate(found))
