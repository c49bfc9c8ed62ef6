"""From cells to figures: for each task, metric, rate and contender a value, its interval, and p.

In: tasks and their cells. Out: plain data, as `results.json` holds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from compressor.evaluate.cells import ORIGINAL, Cell
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.statistics import (
    CONFIDENCE,
    Floats,
    Sums,
    bootstrap,
    holm,
    interval,
    mean_sums,
    paired_p_values,
    ratio_sums,
)
from compressor.evaluate.tasks.task import Metric, Task

Results = dict[str, Any]


def build_results(
    tasks: Sequence[Task],
    cells: Mapping[str, Sequence[Cell]],
    config: EvaluateConfig,
    *,
    left_out: Mapping[str, str],
    tokenizer: str,
) -> Results:
    """Everything that was found. cells: by task, the uncompressed texts' first; tokenizer: what
    counted the tokens.

    `tasks[].metrics[].rows[]`: contender, rate, achieved rate, value, low and high of the 95 %
    interval; and against the reference contender at that rate: difference (with interval), p, and
    p corrected by Holm over all contenders and rates of the metric.
    """
    names = list(dict.fromkeys(c.contender for some in cells.values() for c in some))
    reference = config.evaluate.reference or names[1]
    return {
        "reference": reference,
        "rates": config.evaluate.rates,
        "contenders": names[1:],
        "left_out": dict(left_out),
        "tokens_counted_by": tokenizer,
        "confidence": CONFIDENCE,
        "resamples": config.evaluate.resamples,
        "seed": config.evaluate.seed,
        "configuration": config.model_dump(exclude={"output": True, "data": {"storage_options"}}),
        "tasks": [_task(task, cells[task.name], reference, config) for task in tasks],
    }


def _task(
    task: Task, cells: Sequence[Cell], reference: str, config: EvaluateConfig
) -> dict[str, Any]:
    groups = task.groups
    return {
        "name": task.name,
        "items": len(task.items),
        "texts": len(task.texts()),
        "groups": None if groups is None else len(np.unique(groups)),
        "metrics": [_metric(metric, task, cells, reference, config) for metric in task.metrics],
        "cells": [
            {
                "contender": cell.contender,
                "rate": cell.rate,
                "achieved": cell.compressed.achieved,
                "seconds": round(cell.compressed.seconds, 2),
            }
            for cell in cells
        ],
    }


def _metric(
    metric: Metric, task: Task, cells: Sequence[Cell], reference: str, config: EvaluateConfig
) -> dict[str, Any]:
    settings = {"resamples": config.evaluate.resamples, "seed": config.evaluate.seed}
    sums = _sums(metric, task, cells)
    samples = bootstrap(sums, **settings)
    rows = [_row(cell, sums.values[at], samples[:, at]) for at, cell in enumerate(cells)]
    for rate in config.evaluate.rates:
        columns = [at for at, cell in enumerate(cells) if _compared(cell, rate)]
        base = next(at for at in columns if cells[at].contender == reference)
        here = Sums(sums.top[:, columns], sums.bottom)
        p = paired_p_values(here, columns.index(base), **settings)
        for at, value in zip(columns, p.tolist(), strict=True):
            if at != base and not np.isnan(sums.values[at]):
                difference = samples[:, at] - samples[:, base]
                rows[at] |= {
                    "difference": _number(sums.values[at] - sums.values[base]),
                    "difference_interval": _interval(difference),
                    "p": value,
                }
    tested = [row for row in rows if "p" in row]
    corrected = holm(np.array([row["p"] for row in tested], np.float64)).tolist()
    for row, value in zip(tested, corrected, strict=True):
        row["p_holm"] = value
    return {
        "name": metric.name,
        "higher_is_better": metric.higher_is_better,
        "counted": float(sums.bottom.sum()),
        "original": rows[0]["value"],
        "rows": rows[1:],
    }


def _sums(metric: Metric, task: Task, cells: Sequence[Cell]) -> Sums:
    try:
        if metric.ratio is None:
            return mean_sums([cell.scores[metric.name] for cell in cells], task.groups)
        top, bottom = metric.ratio
        return ratio_sums(
            [cell.scores[top] for cell in cells],
            [cell.scores[bottom] for cell in cells],
            task.groups,
        )
    except ValueError as error:
        raise ValueError(f"{task.name}, {metric.name}: {error}") from None


def _compared(cell: Cell, rate: float) -> bool:
    return cell.rate == rate and cell.contender != ORIGINAL


def _row(cell: Cell, value: float, samples: Floats) -> dict[str, Any]:
    low, high = _interval(samples)
    return {
        "contender": cell.contender,
        "rate": cell.rate,
        "achieved": cell.compressed.achieved,
        "value": _number(value),
        "low": low,
        "high": high,
    }


def _interval(samples: Floats) -> list[float | None]:
    return [_number(end) for end in asdict(interval(samples)).values()]


def _number(value: float) -> float | None:
    """NaN is none of JSON's numbers."""
    return None if np.isnan(value) else float(value)
