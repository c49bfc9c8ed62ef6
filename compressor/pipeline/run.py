"""The job `compress` from configuration to statistics.

Everything that can be wrong with the input is found on the driver before Ray starts; then the
shards that are not done yet flow through source, replicas and sink.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.config import CompressConfig
from compressor.corpus.columns import text_columns
from compressor.corpus.plan import Plan, Shard, plan_corpus
from compressor.corpus.storage import Storage, apart
from compressor.corpus.write import write_shard
from compressor.errors import InputError, JobError
from compressor.models.resolve import digest, resolve
from compressor.pipeline.resume import announce, finished, shard_record
from compressor.pipeline.statistics import Statistics
from compressor.pipeline.summary import ShardResult, write_summary

# Raise it when the same text, model and settings come out otherwise than before: it keeps a rerun
# from mixing shards of two algorithms.
ALGORITHM = 1
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the results are, and the content of `_stats/summary.json`."""

    output: str
    summary: dict[str, Any]


def run(config: CompressConfig) -> Outcome:
    """Compress the corpus. Raises `InputError` for bad input, `JobError` where the job fails."""
    started = time.monotonic()
    config = _absolute_model(config)
    source = Storage.at(config.input.path, config.input.storage_options, key="input.path")
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    if not apart(source, target):
        raise InputError(
            f"output.path: {target.url}: lies in input.path or holds it; choose another place"
        )
    model = digest(resolve(config.model.name, config.input.storage_options))
    plan = make_plan(config, source, model)
    resumed = finished(target, plan, config)
    missing = [shard for shard in plan.shards if shard.name not in resumed]
    threshold = next((record["threshold"] for record in resumed.values()), None)
    fresh: dict[int, Record] = {}
    if missing and not plan.rows:
        announce(target, config)
        fresh = _write_empty(target, plan)
    elif missing:
        from compressor.pipeline.flow import compress_shards  # the first need for Ray

        try:
            threshold, fresh = compress_shards(config, source, target, plan, missing, threshold)
        except BaseException:
            target.clear_scratch()
            raise
    _check_complete(target, plan)
    summary = write_summary(
        target,
        config,
        plan,
        [_result(shard, resumed, fresh) for shard in plan.shards],
        model={"name": config.model.name, "digest": model, "ran_on": _devices(fresh)},
        threshold=threshold,
        wall_seconds=time.monotonic() - started,
    )
    target.clear_scratch()
    return Outcome(target.url, summary)


def make_plan(config: CompressConfig, source: Storage, model: str) -> Plan:
    """The plan of a job with this configuration and the model of this digest."""
    decisive = {
        "algorithm": ALGORITHM,
        "model": model,
        "dtype": config.model.dtype,
        "text_column": config.input.text_column,
        "compression": config.compression.model_dump(),
    }
    recipe = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return plan_corpus(
        source,
        columns=text_columns(config.input.text_column),
        rate_column=config.compression.rate_column,
        rows_per_shard=config.cluster.rows_per_shard,
        recipe=recipe,
        whole_corpus=config.compression.scope == "corpus",
    )


def _absolute_model(config: CompressConfig) -> CompressConfig:
    """A local directory means the same on a worker, which starts in another one."""
    folder = Path(config.model.name).expanduser()
    if not folder.is_dir():
        return config
    model = config.model.model_copy(update={"name": str(folder.resolve())})
    return config.model_copy(update={"model": model})


def _write_empty(target: Storage, plan: Plan) -> dict[int, Record]:
    """An input without rows gives one file without rows, with the output's schema."""
    (shard,) = plan.shards
    statistics = Statistics().record()
    record = {**shard_record(shard, None), "statistics": statistics}
    write_shard(target, shard.name, plan.output_schema.empty_table(), record)
    return {shard.index: {"statistics": statistics, "measured": {}}}


def _check_complete(target: Storage, plan: Plan) -> None:
    """Every planned file must be there, seen from here."""
    lacking = {shard.name for shard in plan.shards} - set(target.names())
    if lacking:
        raise JobError(
            f"{target.url}: {len(lacking)} of {len(plan.shards)} files are missing, for example "
            f"{min(lacking)}; is output.path a local path that the nodes don't share?"
        )


def _result(
    shard: Shard, resumed: Mapping[str, Record], fresh: Mapping[int, Record]
) -> ShardResult:
    if shard.name in resumed:
        statistics = Statistics.from_record(resumed[shard.name]["statistics"])
        return ShardResult(shard, statistics, None)
    entry = fresh[shard.index]
    measured = entry["measured"]
    seconds = {name: measured.get(name, 0.0) for name in ("model_seconds", "seconds")}
    statistics = Statistics.from_record(entry["statistics"], **seconds)
    return ShardResult(shard, statistics, measured.get("finished", 0.0))


def _devices(fresh: Mapping[int, Record]) -> list[str]:
    """Device and precision of the replicas of this run."""
    measured = (entry["measured"] for entry in fresh.values())
    return sorted({f"{entry['device']} {entry['dtype']}" for entry in measured if entry})
