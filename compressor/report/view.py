"""A finished output as the report's template shows it: headline, charts, tables, sentences.

Input: what was read of an output, the examples, the similarity where one was asked for; output: a
dictionary of plain values. What isn't known is left out, and `missing` says so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from compressor.config import CompressConfig
from compressor.pipeline.findings import Findings
from compressor.pipeline.histogram import quantile, value_at
from compressor.pipeline.statistics import RATE_BINS
from compressor.report import charts
from compressor.report.examples import Example
from compressor.report.output import Output
from compressor.report.similarity import Similarity
from compressor.report.strike import segments
from compressor.report.throughput import Throughput, throughput
from compressor.report.wording import (
    duration,
    fact_name,
    number,
    setting,
    settings,
    share,
    without_secrets,
)
from compressor.schema import describe

PERCENTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
RATE_BARS = 50
RATE_MARGIN = 0.05  # beyond where all but a hundredth of the records are
MOST_REPLICAS = 12
_LINEAGE = (("path", "Input"), ("files", "Files"), ("bytes", "Bytes"), ("rows", "Rows"))


def view(output: Output, examples: Sequence[Example], similar: Similarity | None) -> dict[str, Any]:
    """Everything but the comparison with another run."""
    summary, findings = output.summary, output.findings
    speed = throughput(output.shards)
    return {
        "name": without_secrets(output.storage.url),
        "headline": _headline(output),
        "tiles": _tiles(output),
        "rates": _rates(output),
        "lengths": _lengths(findings),
        "facts": facts(findings),
        "sample": None if findings is None else (findings.sampled, findings.sampled_of),
        "confidence": _confidence(findings),
        "similar": similar,
        "reasons": _reasons(findings, examples),
        "failed": summary["rows_by_status"]["error"],
        "speed": _speed(speed),
        "examples": [shown(example) for example in examples],
        "settings": _settings(summary["configuration"]),
        "lineage": _lineage(output),
        "columns": list(summary["input"].get("columns", {}).items()),
        "missing": _missing(output, speed, similar),
        "version": summary["version"],
    }


def facts(findings: Findings | None) -> list[dict[str, Any]]:
    """Each kind: the share that was kept, and how many there were, by the samples."""
    if findings is None:
        return []
    return [
        {"name": fact_name(kind), "share": kept / there, "there": there / 1000}
        for kind, (kept, there) in sorted(findings.facts.items(), key=lambda item: -item[1][1])
        if there
    ]


def shown(example: Example) -> dict[str, Any]:
    """An example with its text in pieces, kept and dropped."""
    record, wanted = example.record, example.wanted
    return {
        "kind": wanted.kind,
        "label": record.label,
        "counts": record.counts if record.original_tokens else "",
        "confidence": wanted.confidence,
        "pieces": list(segments(record.text, record.kept)),
        "compressed": record.compressed,
        "note": record.note,
        "key": wanted.key,
    }


def _headline(output: Output) -> dict[str, Any]:
    summary = output.summary
    rate, saving = summary["rate"], summary.get("saving", {})
    ended = summary.get("ended")
    return {
        "before": number(summary["original_tokens"]),
        "after": number(summary["compressed_tokens"]),
        "saved": None if rate is None else share(1 - rate),
        "rows": number(summary["rows"]),
        "input": without_secrets(summary["input"]["path"]),
        "worth": saving.get("worth"),
        "price": saving.get("price_per_million_tokens"),
        "ended": datetime.fromisoformat(ended) if ended else None,
    }


def _tiles(output: Output) -> list[tuple[str, str, str]]:
    """(what, value, remark) of the figures below the headline."""
    summary = output.summary
    by_status, quantiles = summary["rows_by_status"], summary["rate_quantiles"]
    saved = summary["original_tokens"] - summary["compressed_tokens"]
    target = summary.get("target_rate")
    tiles = [
        ("Tokens saved", number(saved), f"of {number(summary['original_tokens'])}"),
        (
            "Rate",
            share(summary["rate"]),
            ("" if target is None else f"asked for {share(target, 0)}, ")
            + f"median {share(quantiles['p50'])}",
        ),
        (
            "Failed",
            number(by_status["error"]),
            f"{number(by_status['empty'])} without text",
        ),
    ]
    speed, wall = summary.get("tokens_per_second"), summary.get("wall_seconds")
    if speed or wall is not None:
        tiles.append(("Tokens a second", number(speed), f"{duration(wall)} in all"))
    return tiles


def _rates(output: Output) -> dict[str, Any]:
    quantiles = output.summary["rate_quantiles"]
    chart = None
    if output.rates:
        values = np.array(list(output.rates), np.float64) / RATE_BINS
        weights = np.array(list(output.rates.values()), np.float64)
        low, high = ((value_at(output.rates, at) or 0) / RATE_BINS for at in (0.005, 0.995))
        between = max(0.0, low - RATE_MARGIN), min(1.0, high + RATE_MARGIN)
        values = np.clip(values, *between)
        counts, edges = np.histogram(values, RATE_BARS, between, weights=weights)
        target = output.summary.get("target_rate")
        chart = charts.bars(
            edges.tolist(), counts.tolist(), label="tokens kept, of a record's", mark=target
        )
    rows = [(f"{float(name[1:]):.0f} %", value) for name, value in quantiles.items()]
    return {"chart": chart, "rows": rows if quantiles["p50"] is not None else []}


def _lengths(findings: Findings | None) -> dict[str, Any] | None:
    if findings is None or not findings.tokens["original"].any():
        return None
    before, after = findings.tokens["original"], findings.tokens["compressed"]
    shares = np.linspace(0.01, 0.95, 48).tolist()
    chart = charts.lines(
        shares,
        {
            "before": [quantile(before, at) or 0 for at in shares],
            "after": [quantile(after, at) or 0 for at in shares],
        },
        label="share of the records that have at most so many tokens",
    )
    rows = [(f"{100 * at:.0f} %", quantile(before, at), quantile(after, at)) for at in PERCENTILES]
    return {"chart": chart, "rows": rows}


def _confidence(findings: Findings | None) -> dict[str, Any] | None:
    if findings is None or not findings.confidence.any():
        return None
    counts = np.add.reduceat(findings.confidence, np.arange(0, 100, 2))  # the last has 100 %, too
    edges = np.linspace(0, 1, len(counts) + 1).tolist()
    return {
        "chart": charts.bars(edges, counts.tolist(), label="of P(keep) that the kept words hold"),
        "median": findings.confidence_at(0.5),
        "low": findings.confidence_at(0.05),
    }


def _reasons(findings: Findings | None, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """The commonest first; each with the message of a row that has it."""
    if findings is None:
        return []
    said = {example.wanted.place: example for example in examples}
    ordered = sorted(findings.reasons.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        {
            "kind": "failed" if kind == "error" else "noted",
            "reason": said[place].message or pattern if place in said else pattern,
            "rows": rows,
            "where": said[place].record.label if place in said else place[0],
        }
        for (kind, pattern), (rows, _, place) in ordered
    ]


def _speed(speed: Throughput | None) -> dict[str, Any] | None:
    if speed is None:
        return None
    span = float(speed.edges[-1])
    unit, size = ("hours", 3600) if span > 3 * 3600 else ("minutes", 60)
    unit, size = ("seconds", 1) if span < 300 else (unit, size)
    chart = charts.steps(
        (speed.edges / size).tolist(),
        speed.rates.tolist(),
        label=f"tokens a second, by {unit} since the first shard began",
    )
    replicas = list(speed.replicas)
    left_out = max(0, len(replicas) - MOST_REPLICAS)
    if left_out:
        half = MOST_REPLICAS // 2
        replicas = [*replicas[:half], *replicas[-half:]]
    return {
        "chart": chart,
        "replicas": replicas,
        "fastest": max((replica.rate for replica in replicas), default=0) or 1,
        "left_out": left_out,
    }


def _settings(configuration: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(key, value, whether it is another than the default), sections in their order."""
    defaults = {key: default for key, default, _ in describe(CompressConfig)}
    return [
        (key, setting(value), key in defaults and value != defaults[key])
        for key, value in settings(configuration)
    ]


def _lineage(output: Output) -> list[tuple[str, str]]:
    summary, model = output.summary, output.summary.get("model", {})
    source = summary["input"]
    rows = [
        (label, number(source[key]) if key != "path" else without_secrets(source[key]))
        for key, label in _LINEAGE
        if key in source
    ]
    if model:
        rows += [("Model", model["name"]), ("Digest of the model", model["digest"])]
        rows.append(("Ran on", ", ".join(model["ran_on"]) or "nothing: all was there"))
    if summary.get("threshold") is not None:
        rows.append(("Threshold", str(summary["threshold"])))
    if "version_of_the_table" in summary:
        rows.append(("Version of the table", str(summary["version_of_the_table"])))
    resumed = summary["output"].get("resumed", 0)
    written = f"{number(summary['output']['files'])} ({number(resumed)} by earlier runs)"
    return [*rows, ("Output", output.storage.url), ("Files written", written)]


def _missing(output: Output, speed: Throughput | None, similar: Similarity | None) -> list[str]:
    """What the page lacks, and why."""
    missing, findings = [], output.findings
    if findings is None and output.summary["rows"]:
        missing.append(
            "Token percentiles, quality signals and reasons: this output was written without them, "
            "by an earlier version or another job; its examples are of arbitrary rows."
        )
    elif findings is not None and findings.rows < output.summary["rows"]:
        missing.append(
            f"Percentiles, signals and examples of {number(output.summary['rows'] - findings.rows)}"
            " records, in files that an earlier version wrote."
        )
    if findings is not None:
        known, all_known = int(findings.confidence.sum()), findings.sampled_of
        if known < all_known:
            missing.append(
                f"The confidence of {number(all_known - known)} records, which were taken over "
                "from an earlier version of the table."
            )
    if speed is None:
        missing.append("Throughput over time: no shard of the last run has its times on record.")
    if similar is None:
        missing.append("Embedding similarity: report.embedding_model names no model.")
    return missing
