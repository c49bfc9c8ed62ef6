"""`_stats/` of the job `distill`: what was asked, what came of it, what it cost, how good it is."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compressor import __version__
from compressor.corpus.shards import Shard
from compressor.distill.limits import Stop, Usage
from compressor.distill.quality_report import write_report
from compressor.distill.records import MEASURES, Verdicts
from compressor.distill.reply import STATUSES
from compressor.pipeline.resume import public

if TYPE_CHECKING:
    from compressor.distill.tasks import Context

STATISTICS = "_stats"
SUMMARY = f"{STATISTICS}/summary.json"
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the dataset is, and the content of `_stats/summary.json`."""

    output: str
    summary: dict[str, Any]


def write_summary(
    context: "Context",
    verdicts: Sequence[Verdicts],
    *,
    selected: int,
    asked: int,
    not_asked: int,
    stop: Stop | None,
    spent: Usage,
    spent_before: Usage,
    wall_seconds: float,
) -> Outcome:
    """Put the numbers together and write them."""
    prices = context.config.teacher.prices
    counts = Counter(status for verdict in verdicts for status in verdict.statuses)
    summary = {
        "rows": counts.total(),
        "rows_by_status": {status: counts[status] for status in STATUSES},
        "selected": selected,
        "asked": asked,
        "not_asked": not_asked,
        "stopped": stop and stop.message,
        "tokens": {"all_runs": asdict(spent), "this_run": asdict(spent - spent_before)},
        "cost": {"all_runs": spent.cost(prices), "this_run": (spent - spent_before).cost(prices)},
        "rate": _rates(verdicts),
        "quality": _quality(verdicts),
        "levels": context.instruction.levels,
        "instruction": context.instruction.text,
        "configuration": public(context.config),
        "wall_seconds": wall_seconds,
        "version": __version__,
    }
    context.target.put(SUMMARY, json.dumps(summary, indent=2).encode())
    return Outcome(context.target.url, summary)


def write_quality(
    context: "Context", shards: Sequence[Shard], verdicts: Sequence[Verdicts]
) -> None:
    """Write `_stats/quality.html` and `quality.json`; the files of the shards are there."""
    ends = np.cumsum([len(verdict.qualities) for verdict in verdicts])

    def example(number: int) -> tuple[str, str, str]:
        shard = int(np.searchsorted(ends, number, "right"))
        row = number - int(ends[shard]) + len(verdicts[shard].qualities)
        file = pa.BufferReader(context.target.read(shards[shard].name))
        table = pq.read_table(file, columns=["id", "text", "half"]).slice(row, 1)
        found = table.to_pylist()[0]
        return found["id"], found["text"], found["half"]

    quality = context.config.quality
    write_report(
        context.target.below(STATISTICS),
        [one for verdict in verdicts for one in verdict.qualities],
        example,
        variation_share=quality.variation_share,
        gap_share=quality.gap_share,
    )


def _rates(verdicts: Sequence[Verdicts]) -> dict[str, float | None]:
    """Tokens that the teacher kept, over those of the text, where the status is ok."""
    original = sum(verdict.original_tokens for verdict in verdicts)
    kept = {
        "half": sum(verdict.half_tokens for verdict in verdicts),
        "quarter": sum(verdict.quarter_tokens for verdict in verdicts),
    }
    return {name: tokens / original if tokens else None for name, tokens in kept.items()}


def _quality(verdicts: Sequence[Verdicts]) -> dict[str, dict[str, float]]:
    """Quantiles of the measures."""
    found = [one for verdict in verdicts for one in verdict.qualities if one is not None]
    if not found:
        return {}
    return {
        measure: {
            name: float(np.quantile([getattr(one, measure) for one in found], share))
            for name, share in QUANTILES.items()
        }
        for measure in MEASURES
    }
