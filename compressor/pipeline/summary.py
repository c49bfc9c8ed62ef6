"""`_stats/`: what a job did, in total (`summary.json`) and by shard (`shards.parquet`)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from compressor import __version__
from compressor.config import CompressConfig
from compressor.corpus.columns import STATUSES
from compressor.corpus.plan import Plan
from compressor.corpus.write import encode
from compressor.pipeline.prepare import Task
from compressor.pipeline.results import ShardResult
from compressor.pipeline.resume import public
from compressor.pipeline.statistics import Statistics, total

SUMMARY, SHARDS = "_stats/summary.json", "_stats/shards.parquet"
SOURCE = pa.struct(
    [
        ("path", pa.string()),
        ("version", pa.string()),
        ("first_row_group", pa.int32()),
        ("last_row_group", pa.int32()),
        ("start_row", pa.int64()),
        ("rows", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a summary says beside counts: `more` is put into it as it is."""

    ran_on: Sequence[str]
    threshold: float | None
    wall_seconds: float
    more: Mapping[str, Any] = field(default_factory=dict)


def write_summary(
    task: Task, plan: Plan, results: Sequence[ShardResult], report: Report
) -> dict[str, Any]:
    """Write both files and return the content of the first."""
    config = task.config
    whole = total(result.statistics for result in results)
    summary = {
        **counts(whole, price=config.output.price_per_million_tokens),
        "target_rate": config.compression.rate,
        "threshold": report.threshold,
        "model": {"name": config.model.name, "digest": task.model, "ran_on": list(report.ran_on)},
        "configuration": public(config),
        "input": lineage(config, plan),
        "output": {
            "path": config.output.path,
            "files": len(results),
            "resumed": sum(result.resumed for result in results),
        },
        **speed(results, report.wall_seconds),
        **report.more,
        "version": __version__,
    }
    task.target.put(SHARDS, encode(shard_table(results)))
    task.target.put(SUMMARY, json.dumps(summary, indent=2).encode())
    return summary


def counts(whole: Statistics, *, price: float) -> dict[str, Any]:
    """What the data says: the same for every run over the same input."""
    saved = whole.original_tokens - whole.compressed_tokens
    return {
        "rows": whole.rows,
        "rows_by_status": {status: getattr(whole, status) for status in STATUSES},
        "rows_with_notes": whole.notes,
        "original_tokens": whole.original_tokens,
        "compressed_tokens": whole.compressed_tokens,
        "rate": whole.rate,
        "rate_quantiles": whole.quantiles(),
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


def speed(results: Sequence[ShardResult], wall_seconds: float) -> dict[str, Any]:
    """What this run measured; shards of earlier runs have no part in it.

    Tokens per second count from the first shard's start: Ray and the models are up by then.
    """
    fresh = [(result.statistics, result.finished) for result in results if result.finished]
    whole = total(statistics for statistics, _ in fresh)
    begun = min((finished - statistics.seconds for statistics, finished in fresh), default=0.0)
    span = max((finished for _, finished in fresh), default=0.0) - begun
    return {
        "wall_seconds": wall_seconds,
        "compression_seconds": span,
        "model_seconds": whole.model_seconds,
        "model_tokens": whole.model_tokens,
        "rows_taken_over": whole.reused,
        "rows_with_the_text_of_another": whole.duplicates,
        "tokens_per_second": whole.original_tokens / span if span else None,
    }


def shard_table(results: Sequence[ShardResult]) -> pa.Table:
    """What is known of each shard, with the parts of the input that it was made from."""
    rows = [_shard_row(result) for result in results]
    return pa.Table.from_pylist(rows, schema=_SHARD_SCHEMA)


_SHARD_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("file", pa.string()),
        ("fingerprint", pa.string()),
        ("rows", pa.int64()),
        *((status, pa.int64()) for status in STATUSES),
        ("original_tokens", pa.int64()),
        ("compressed_tokens", pa.int64()),
        ("rate", pa.float64()),
        ("model_seconds", pa.float64()),
        ("seconds", pa.float64()),
        ("resumed", pa.bool_()),
        ("source", pa.list_(SOURCE)),
    ]
)


def _shard_row(result: ShardResult) -> dict[str, Any]:
    shard, statistics = result.shard, result.statistics
    measured = None if result.resumed else statistics
    return {
        "shard": shard.index,
        "file": shard.name,
        "fingerprint": shard.fingerprint,
        "rows": statistics.rows,
        **{status: getattr(statistics, status) for status in STATUSES},
        "original_tokens": statistics.original_tokens,
        "compressed_tokens": statistics.compressed_tokens,
        "rate": statistics.rate,
        "model_seconds": measured and measured.model_seconds,
        "seconds": measured and measured.seconds,
        "resumed": result.resumed,
        "source": [
            {
                "path": piece.path,
                "version": piece.version,
                "first_row_group": piece.first,
                "last_row_group": piece.last,
                "start_row": piece.start,
                "rows": piece.rows,
            }
            for piece in shard.pieces
        ],
    }
