"""The job `refresh`: from the last published version of a Delta table to the next, or none.

The input is compared with what the last version was made of; what changed is compressed, and one
commit publishes the new version. All state lies in the output: the log, `_lineage/` and the files.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from compressor.config import CompressConfig
from compressor.corpus.delta import DataFile, Version, current, publish, vacuum
from compressor.corpus.files import parquet_entries
from compressor.corpus.lineage import Published, forget, read_files, write_lineage
from compressor.corpus.storage import Entry
from compressor.errors import InputError
from compressor.interrupt import resumable
from compressor.pipeline.changes import Comparison, Step, compare, plan_step
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.leftovers import check_new_table
from compressor.pipeline.prepare import Task, prepare
from compressor.pipeline.results import Outcome, Results, whole
from compressor.pipeline.resume import ledger_of, public
from compressor.pipeline.run import check_complete, compress_missing
from compressor.pipeline.statistics import Statistics
from compressor.pipeline.summary import SUMMARY, Report, write_summary

SCRATCH_SECONDS = 24 * 3600.0  # another refresh may be writing what is younger


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh has done, or would do; `version` is None where there is none yet.

    `changes` counts files, shards and rows by what becomes of them.
    """

    output: str
    version: int | None
    published: bool
    changes: dict[str, Any]
    summary: dict[str, Any] | None


def refresh(config: CompressConfig, *, dry_run: bool = False) -> Refreshed:
    """Publish what changed. Raises `InputError` for bad input, `JobError` where the job fails."""
    if config.output.format == "parquet":
        raise InputError(
            "output.format: refresh publishes versions of a Delta table, which plain Parquet "
            "doesn't have; set delta or auto"
        )
    return _refresh(config.published_as("delta"), dry_run=dry_run, first=False)


def publish_first(config: CompressConfig) -> Outcome:
    """The job `compress` with `output.format=delta`: the first version, or nothing to do."""
    done = _refresh(config, dry_run=False, first=True)
    assert done.summary is not None
    return Outcome(done.output, done.summary)


def _refresh(config: CompressConfig, *, dry_run: bool, first: bool) -> Refreshed:
    started = time.monotonic()
    task = prepare(config)
    with resumable(task.target.url):
        return _next_version(task, started, dry_run=dry_run, first=first)


def _next_version(task: Task, started: float, *, dry_run: bool, first: bool) -> Refreshed:
    with task.target.explained():
        version = current(task.target)
    entries = parquet_entries(task.source)
    before = read_files(task.target, version.note["lineage"]) if version else []
    comparison = compare(before, entries)
    same = version is not None and comparison.is_same and version.note["recipe"] == task.recipe
    if version is not None and same and (summary := _summary_of(task, version)) is not None:
        changes = {"files": comparison.counts()}
        return Refreshed(task.target.url, version.number, False, changes, summary)
    if version is not None and first and not same:
        raise InputError(
            f"{task.target.key}: {task.target.url}: not empty (a Delta table of another input or "
            "configuration); the job refresh publishes its next version, or choose another path"
        )
    step = plan_step(task, version, entries, comparison)
    if version is None:
        check_new_table(task.target, step.plan, task.config)
    if dry_run:
        changes = _changes(comparison, step)
        number = version.number if version else None
        return Refreshed(task.target.url, number, False, changes, None)
    return _carry_out(task, version, entries, comparison, step, started)


def _carry_out(
    task: Task,
    version: Version | None,
    entries: list[Entry],
    comparison: Comparison,
    step: Step,
    started: float,
) -> Refreshed:
    target, plan = task.target, step.plan
    kept = Results(step.kept.shards, _ledger_of(step.kept))
    ledger = _resumed(task, step)
    kept_errors = int(kept.ledger.counts("error").sum())
    ledger = compress_missing(task, plan, ledger, takeover=step.takeover, errors=kept_errors)
    check_complete(target, plan)
    parts = [kept, Results(plan.shards, ledger)]
    statistics = whole(parts)
    ErrorBudget(task.config.output.max_error_rate, plan.rows).check(statistics.error)

    added = _published(task, step, ledger)
    lineage = write_lineage(target, entries, [step.kept, added])
    changes = _changes(comparison, step, statistics)
    number = _commit(task, version, step, added, lineage, changes)
    more = {"changes": changes, "version_of_the_table": number, "lineage": lineage}
    took = time.monotonic() - started
    report = Report(ledger.threshold, ledger.calibration_seconds, took, more)
    summary = write_summary(task, plan, parts, report)
    target.clear_scratch(SCRATCH_SECONDS)
    if task.config.output.vacuum:
        outdated = vacuum(target, task.config.output.retention_hours)
        for name in {note["lineage"] for note in outdated} - {lineage}:
            forget(target, name)
    return Refreshed(target.url, number, True, changes, summary)


def _commit(
    task: Task,
    version: Version | None,
    step: Step,
    added: Published,
    lineage: str,
    changes: dict[str, Any],
) -> int:
    if version is not None and version.note["lineage"] == lineage:
        return version.number  # only its summary was lost
    files = (
        DataFile(shard.name, size, shard.rows)
        for shard, size in zip(added.shards, added.bytes.tolist(), strict=True)
    )
    note = {
        "lineage": lineage,
        "recipe": task.recipe,
        "changes": changes,
        "configuration": public(task.config),
    }
    gone = (shard.name for shard in step.dropped.shards)
    return publish(task.target, version, step.plan.output_schema, files, gone, note)


def _resumed(task: Task, step: Step) -> Ledger:
    """Of planned files that are there: left by a run that was cut short before its end."""
    with task.target.explained():
        return ledger_of(task.target, step.plan, task.target.names(), keep_records=True)


def _ledger_of(published: Published) -> Ledger:
    ledger = Ledger(len(published))
    for at, record in enumerate(published.statistics):
        statistics = json.loads(record.as_py())
        findings = statistics.pop("findings", None)
        ledger.resume(at, {"statistics": statistics, "findings": findings})
    return ledger


def _published(task: Task, step: Step, ledger: Ledger) -> Published:
    sizes, shards = task.target.sizes(), step.plan.shards
    stored = np.fromiter((sizes[shard.name] for shard in shards), np.int64, len(shards))
    return Published(shards, stored, ledger.records())


def _changes(comparison: Comparison, step: Step, done: Statistics | None = None) -> dict[str, Any]:
    rows = {"kept": int(step.kept.shards.rows.sum())}
    if done is None:
        rows["to_look_at"] = int(step.plan.shards.rows.sum())
    else:
        written = done.rows - rows["kept"]
        rows["taken_over"] = done.reused
        rows["with_the_text_of_another"] = done.duplicates
        rows["compressed"] = written - done.reused - done.duplicates
    return {
        "files": comparison.counts(),
        "shards": {
            "kept": len(step.kept),
            "written": len(step.plan.shards),
            "dropped": len(step.dropped),
        },
        "rows": rows,
    }


def _summary_of(task: Task, version: Version) -> dict[str, Any] | None:
    """The summary on storage, if it is that of the last version."""
    try:
        summary: dict[str, Any] = json.loads(task.target.read(SUMMARY))
    except (OSError, ValueError):
        return None
    return summary if summary.get("lineage") == version.note["lineage"] else None
