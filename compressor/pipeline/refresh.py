"""The job `refresh`: from the last published version of a Delta table to the next, or none.

The input is compared with what the last version was made of; what changed is compressed, and one
commit publishes the new version. All state lies in the output: the log, `_lineage/` and the files.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from compressor.config import CompressConfig
from compressor.corpus.delta import DataFile, Version, current, publish, vacuum
from compressor.corpus.files import parquet_entries
from compressor.corpus.lineage import PublishedShard, forget, read_files, write_lineage
from compressor.corpus.storage import Entry
from compressor.corpus.write import read_records
from compressor.errors import InputError
from compressor.pipeline.changes import Comparison, Step, compare, plan_step
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.leftovers import check_new_table
from compressor.pipeline.prepare import Task, prepare
from compressor.pipeline.results import Outcome, Record, ShardResult, devices, results_of
from compressor.pipeline.resume import public
from compressor.pipeline.run import check_complete, compress_missing
from compressor.pipeline.statistics import Statistics, total
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
    resumed = _resumed(task, step)
    kept = {one.shard.name: {"statistics": one.statistics} for one in step.kept}
    kept_errors = sum(record["statistics"]["error"] for record in kept.values())
    threshold, fresh = compress_missing(
        task, plan, resumed, takeover=step.takeover, errors=kept_errors
    )
    check_complete(target, plan)
    kept_shards = [one.shard for one in step.kept]
    results = results_of([*kept_shards, *plan.shards], {**kept, **resumed}, fresh)
    whole = total(result.statistics for result in results)
    ErrorBudget(task.config.output.max_error_rate, plan.rows).check(whole.error)

    added = _published(task, step, results[len(step.kept) :])
    lineage = write_lineage(target, entries, [*step.kept, *added])
    changes = _changes(comparison, step, whole)
    number = _commit(task, version, step, added, lineage, changes)
    more = {"changes": changes, "version_of_the_table": number, "lineage": lineage}
    report = Report(devices(fresh), threshold, time.monotonic() - started, more)
    summary = write_summary(task, plan, results, report)
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
    added: list[PublishedShard],
    lineage: str,
    changes: dict[str, Any],
) -> int:
    if version is not None and version.note["lineage"] == lineage:
        return version.number  # only its summary was lost
    files = [DataFile(one.shard.name, one.bytes, one.shard.rows) for one in added]
    note = {
        "lineage": lineage,
        "recipe": task.recipe,
        "changes": changes,
        "configuration": public(task.config),
    }
    gone = [one.shard.name for one in step.dropped]
    return publish(task.target, version, step.plan.output_schema, files, gone, note)


def _resumed(task: Task, step: Step) -> dict[str, Record]:
    """Records of planned files that are there: left by a run that was cut short before its end."""
    there = task.target.names()
    names = [name for name in there if step.plan.shards.find(name) is not None]
    with task.target.explained():
        return read_records(task.target, names)


def _published(task: Task, step: Step, results: list[ShardResult]) -> list[PublishedShard]:
    sizes = task.target.sizes()
    return [
        PublishedShard(shard, sizes[shard.name], result.statistics.record())
        for shard, result in zip(step.plan.shards, results, strict=True)
    ]


def _changes(comparison: Comparison, step: Step, whole: Statistics | None = None) -> dict[str, Any]:
    rows = {"kept": sum(one.shard.rows for one in step.kept)}
    if whole is None:
        rows["to_look_at"] = int(step.plan.shards.rows.sum())
    else:
        written = whole.rows - rows["kept"]
        rows["taken_over"] = whole.reused
        rows["with_the_text_of_another"] = whole.duplicates
        rows["compressed"] = written - whole.reused - whole.duplicates
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
