"""The Ray part of the job: the pool looked at, then source -> replicas -> sink for the rest."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from compressor.corpus.shards import Shards
from compressor.pipeline.await_nodes import allocation_on
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.failure import unwrapped
from compressor.pipeline.flow import Stage, bytes_per_row, extent, flow
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.progress import shown
from compressor.pipeline.resources import Allocation
from compressor.pipeline.resume import announce
from compressor.pipeline.session import on_cluster, session
from compressor.pipeline.sink import ShardFiles, ShardSink
from compressor.pipeline.source import ShardSource
from compressor.pipeline.tally import Handle, start_tally
from compressor.prune.opinions import SHOTS_AT_ONCE, Opinions, pays
from compressor.prune.replica import Embedder, Replica, Work
from compressor.prune.task import Task
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot

MOST_RESTARTS = 3  # of what looks at the pool
LOOKED_AT_ONCE = 8 * SHOTS_AT_ONCE  # whole blocks


def prune_shards(task: Task, shots: Sequence[Shot] | None, ledger: Ledger) -> Ledger:
    """Do the shards that the ledger lacks and write them; returns it with what is known of each.

    shots: the pool, where rows are questions. Raises `InputError` for a policy or resources that
    can't be had, else `JobError`.
    """
    cluster, device, plan = task.config.cluster, task.config.policy.device, task.plan
    missing = plan.shards.take(np.flatnonzero(~ledger.known))
    with session(cluster.address) as nodes, unwrapped():
        allocation = allocation_on(cluster, nodes, device=device, shards=len(missing))
        announce(task.target, task.config)
        tally = start_tally(extent(plan, missing, allocation), task.target.url)
        with shown(tally):
            return on_cluster(_prune, task, shots, missing, ledger, allocation, tally)


def _prune(
    task: Task,
    shots: Sequence[Shot] | None,
    missing: Shards,
    ledger: Ledger,
    allocation: Allocation,
    tally: Handle,
) -> Ledger:
    import ray

    config, plan = task.config, task.plan
    # In a list, so that Ray hands on the reference and doesn't fetch the pool on the way.
    pool = None if shots is None else [ray.put(_looked_at(task, shots, allocation))]
    failed = int(ledger.counts("error").sum())
    budget = ErrorBudget(config.output.max_error_rate, plan.rows, failed)
    files = ShardFiles(task.target, task.schema, plain=False)
    reader = partial(
        ShardSource,
        task.source,
        schema=plan.schema,
        threshold=None,
        bytes_per_row=bytes_per_row(plan),
    )
    stage = Stage(Replica, (Work(config, allocation.threads, pool), tally))
    flow(missing, reader, stage, partial(ShardSink, files, budget, tally), allocation, ledger)
    return ledger


def _looked_at(
    task: Task, shots: Sequence[Shot], allocation: Allocation
) -> tuple[Pool, Opinions | None]:
    """The pool with its embeddings, and what the policy makes of it where that pays.

    By as many actors as there will be replicas.
    """
    import ray
    from ray.util import ActorPool

    # Of all questions, not of those that are left: a rerun must give the same.
    asks = pays(task.plan.rows, task.config.prompt.candidates, len(shots))
    parts = [shots[at : at + LOOKED_AT_ONCE] for at in range(0, len(shots), LOOKED_AT_ONCE)]
    actor: Any = ray.remote(Embedder)
    actors = [
        actor.options(
            num_cpus=allocation.cpus,
            num_gpus=allocation.gpus,
            max_restarts=MOST_RESTARTS,
            max_task_retries=MOST_RESTARTS,
        ).remote(task.config, allocation.threads, asks)
        for _ in range(min(allocation.least, len(parts)))
    ]
    try:
        pool: Any = ActorPool(actors)
        found = list(pool.map(lambda one, part: one.look.remote(part), parts))
    finally:
        for one in actors:
            ray.kill(one)
    embeddings = np.concatenate([one for one, _ in found])
    known = Opinions.joined([one for _, one in found]) if asks else None
    return Pool(shots, embeddings), known
