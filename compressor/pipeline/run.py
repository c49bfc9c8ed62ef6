"""The job `compress` from configuration to statistics.

Everything that can be wrong with the input is found on the driver before Ray starts; then the
shards that are not done yet flow through source, replicas and sink.
"""

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from compressor.config import CompressConfig
from compressor.corpus.plan import Plan
from compressor.corpus.storage import Storage
from compressor.corpus.write import write_shard
from compressor.errors import JobError
from compressor.interrupt import resumable
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.prepare import Task, make_plan, prepare
from compressor.pipeline.results import Outcome, Record, Results, whole
from compressor.pipeline.resume import announce, finished, shard_record
from compressor.pipeline.statistics import Statistics
from compressor.pipeline.summary import Report, write_summary


def run(config: CompressConfig) -> Outcome:
    """Compress the corpus. Raises `InputError` for bad input, `JobError` where the job fails."""
    if config.output.format == "delta":
        from compressor.pipeline.refresh import publish_first

        return publish_first(config)
    started = time.monotonic()
    task = prepare(config)
    with resumable(task.target.url):
        return _run(task, started)


def _run(task: Task, started: float) -> Outcome:
    plan = make_plan(task)
    ledger = finished(task.target, plan, task.config)
    try:
        ledger = compress_missing(task, plan, ledger)
    except BaseException:
        task.target.clear_scratch()
        raise
    check_complete(task.target, plan)
    parts = [Results(plan.shards, ledger)]
    ErrorBudget(task.config.output.max_error_rate, plan.rows).check(whole(parts).error)
    report = Report(ledger.threshold, ledger.calibration_seconds, time.monotonic() - started)
    summary = write_summary(task, plan, parts, report)
    task.target.clear_scratch()
    return Outcome(task.target.url, summary)


def compress_missing(
    task: Task,
    plan: Plan,
    ledger: Ledger,
    *,
    takeover: Sequence[str] = (),
    errors: int = 0,
) -> Ledger:
    """Do the shards of the plan that the ledger lacks; returns it complete.

    `takeover`: files whose rows may be taken over; `errors`: failed rows in files that stay.
    """
    missing = plan.shards.take(np.flatnonzero(~ledger.known))
    if not len(missing):
        return ledger
    if not plan.rows:
        announce(task.target, task.config)
        plain = task.config.output.format == "delta"
        ledger.add(0, write_empty(task.target, plan, plan.output_schema, plain=plain))
        return ledger
    from compressor.pipeline.flow import Assignment, compress_shards  # the first need for Ray

    errors += int(ledger.counts("error").sum())
    work = Assignment(
        task.config,
        task.source,
        task.target,
        plan,
        missing,
        task.model,
        takeover,
        errors,
    )
    return compress_shards(work, ledger)


def write_empty(target: Storage, plan: Plan, schema: pa.Schema, *, plain: bool = False) -> Record:
    """An input without rows gives one file without rows, with the output's schema."""
    (shard,) = plan.shards
    statistics = Statistics().record()
    record = {**shard_record(shard, None), "statistics": statistics}
    size = write_shard(target, shard.name, schema.empty_table(), record, plain=plain)
    return {"statistics": statistics, "measured": {}, "bytes": size}


def check_complete(target: Storage, plan: Plan) -> None:
    """Every planned file must be there, seen from here."""
    lacking = plan.shards.without(target.names())
    if len(lacking):
        raise JobError(
            f"{target.url}: {len(lacking)} of {len(plan.shards)} files are missing, for example "
            f"{lacking[0].name}; is output.path a local path that the nodes don't share?"
        )
