"""`_stats/`: what a job did, in total (`summary.json`) and by shard (`shards.parquet`).

`findings.json` is for the report: distributions, quality signals, and which rows to show.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from compressor import __version__
from compressor.config import CompressConfig
from compressor.corpus.columns import STATUSES
from compressor.corpus.plan import Plan
from compressor.engine.compression import Threshold
from compressor.pipeline.prepare import Task
from compressor.pipeline.results import Results, findings_of, whole
from compressor.pipeline.resume import public
from compressor.pipeline.shard_table import write_shard_table
from compressor.pipeline.statistics import Statistics

SUMMARY = "_stats/summary.json"
FINDINGS = "_stats/findings.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What a summary says beside counts: `more` is put into it as it is.

    calibration_seconds: of the model, for a threshold that this run found.
    """

    threshold: Threshold | None
    calibration_seconds: float | None
    wall_seconds: float
    more: Mapping[str, Any] = field(default_factory=dict)


def write_summary(
    task: Task, plan: Plan, parts: Sequence[Results], report: Report
) -> dict[str, Any]:
    """Write all files and return the content of the first."""
    config = task.config
    ran_on = sorted(set[str]().union(*(part.ledger.ran_on for part in parts)))
    summary = {
        **counts(whole(parts), price=config.output.price_per_million_tokens),
        "target_rate": config.compression.rate,
        "threshold": report.threshold,
        "model": {"name": config.model.name, "digest": task.model, "ran_on": ran_on},
        "configuration": public(config),
        "input": lineage(config, plan),
        "output": {
            "path": config.output.path,
            "files": sum(len(part.shards) for part in parts),
            "resumed": sum(int(np.isnan(part.ledger.finished).sum()) for part in parts),
        },
        **speed(parts, report.wall_seconds),
        "calibration_seconds": report.calibration_seconds,
        **report.more,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }
    write_shard_table(task.target, parts)
    rates = {str(rate): records for rate, records in sorted(whole(parts).rates.items())}
    findings = {**findings_of(parts).record(), "rates": rates}
    task.target.put(FINDINGS, json.dumps(findings).encode())
    task.target.put(SUMMARY, json.dumps(summary, indent=2).encode())
    return summary


def counts(total: Statistics, *, price: float) -> dict[str, Any]:
    """What the data says: the same for every run over the same input."""
    saved = total.original_tokens - total.compressed_tokens
    return {
        "rows": total.rows,
        "rows_by_status": {status: getattr(total, status) for status in STATUSES},
        "rows_with_notes": total.notes,
        "original_tokens": total.original_tokens,
        "compressed_tokens": total.compressed_tokens,
        "rate": total.rate,
        "rate_quantiles": total.quantiles(),
        "saving": {
            "tokens": saved,
            "price_per_million_tokens": price,
            "worth": saved * price / 1e6,
        },
    }


def lineage(config: CompressConfig, plan: Plan) -> dict[str, Any]:
    """Where the data came from; the files of each shard are in `shards.parquet`."""
    return {
        "path": config.input.path,
        "files": len(plan.files),
        "bytes": plan.bytes,
        "rows": plan.rows,
        "columns": {field.name: str(field.type) for field in plan.schema},
    }


def speed(parts: Sequence[Results], wall_seconds: float) -> dict[str, Any]:
    """What this run measured; shards of earlier runs have no part in it.

    Tokens per second count from the first shard's start: Ray and the models are up by then.
    """
    done = whole(parts)
    tokens, begun, ended = 0, math.inf, -math.inf
    for part in parts:
        ledger = part.ledger
        fresh = ledger.finished > 0  # not NaN, nor the 0 of an input without rows
        if not fresh.any():
            continue
        tokens += int(ledger.counts("original_tokens")[fresh].sum())
        finished = ledger.finished[fresh]
        begun = min(begun, float((finished - ledger.seconds("seconds")[fresh]).min()))
        ended = max(ended, float(finished.max()))
    span = max(0.0, ended - begun) if begun <= ended else 0.0
    return {
        "wall_seconds": wall_seconds,
        "compression_seconds": span,
        "model_seconds": done.model_seconds,
        "model_tokens": done.model_tokens,
        "rows_taken_over": done.reused,
        "rows_with_the_text_of_another": done.duplicates,
        "tokens_per_second": tokens / span if span else None,
    }
