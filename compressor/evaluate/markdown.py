"""The figures as a page: one table a task, contenders by metric, the best of each rate in bold."""

from collections.abc import Iterator
from typing import Any

_NOTE = (
    "Values with their 95 % bootstrap interval, in brackets. Behind them p of the paired "
    "permutation test against `{reference}` at the same rate, corrected by Holm over all "
    "contenders and rates of a metric. Bold: the best value of a rate. Tokens are counted by "
    "`{counter}`; achieved: tokens kept / tokens of the original, over all texts."
)


def markdown(results: dict[str, Any]) -> str:
    """The page, with the plots that `compressor.evaluate.plots` may have drawn left out."""
    lines = ["# Evaluation", ""]
    lines += [
        _NOTE.format(reference=results["reference"], counter=results["tokens_counted_by"]),
        "",
    ]
    lines += [f"- `{name}` is left out: {why}" for name, why in results["left_out"].items()]
    for task in results["tasks"]:
        lines += ["", f"## {task['name']}", "", _about(task), "", *_table(task, results)]
    return "\n".join(lines) + "\n"


def _about(task: dict[str, Any]) -> str:
    groups = f" in {task['groups']:,} groups" if task["groups"] else ""
    return f"{task['items']:,} items{groups}, {task['texts']:,} texts."


def _table(task: dict[str, Any], results: dict[str, Any]) -> Iterator[str]:
    metrics = [metric for metric in task["metrics"] if metric["counted"]]
    yield "| rate | contender | achieved | " + " | ".join(m["name"] for m in metrics) + " |"
    yield "|---:|---|---:|" + "---|" * len(metrics)
    whole = " | ".join(_figure(metric["original"]) for metric in metrics)
    yield f"| 1 | original | 1.000 | {whole} |"
    rows = {
        (metric["name"], row["rate"], row["contender"]): row
        for metric in metrics
        for row in metric["rows"]
    }
    for rate in results["rates"]:
        best = {metric["name"]: _best(metric, rate) for metric in metrics}
        for name in results["contenders"]:
            found = [rows[metric["name"], rate, name] for metric in metrics]
            if not found:
                continue
            cells = " | ".join(
                _cell(row, bold=row["value"] is not None and row["value"] == best[metric["name"]])
                for metric, row in zip(metrics, found, strict=True)
            )
            yield f"| {rate:g} | {name} | {found[0]['achieved']:.3f} | {cells} |"


def _best(metric: dict[str, Any], rate: float) -> float | None:
    values = [r["value"] for r in metric["rows"] if r["rate"] == rate and r["value"] is not None]
    pick = max if metric["higher_is_better"] else min
    return pick(values, default=None)


def _cell(row: dict[str, Any], *, bold: bool) -> str:
    value = _figure(row["value"])
    shown = f"**{value}**" if bold else value
    if row["low"] is not None:
        shown += f" [{_figure(row['low'])}, {_figure(row['high'])}]"
    if row.get("p_holm") is not None:
        shown += f" {_p(row['p_holm'])}"
    return shown


def _p(value: float) -> str:
    return "p<0.001" if value < 0.001 else f"p={value:.3f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
