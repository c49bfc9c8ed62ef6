"""A sweep as a table for the terminal, and as JSON, CSV and plots in a directory."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from compressor.corpus.storage import Storage
from compressor.evaluate.plots import draw
from compressor.sweep.config import FloorsSection, SweepConfig
from compressor.sweep.judge import ACHIEVED, LEAST_KEPT, LIKELIEST_DROPPED, Figure
from compressor.sweep.sweep import Sweep

IN_FILES = {"dates", "units", "code"}  # for which a terminal has no room
PLAIN = {ACHIEVED, LEAST_KEPT, LIKELIEST_DROPPED}  # without their interval in the table


def lines(found: Sweep) -> Iterator[str]:
    """The table, the recommended rate marked, and why."""
    names = [name for name in _names(found) if name not in IN_FILES]
    table = [["", "rate", "tokens", *names]]
    for row in found.rows:
        chosen = row.rate == found.recommendation.rate
        cells = [_cell(name, row.figures.get(name)) for name in names]
        table.append([">" if chosen else "", f"{row.rate:g}", f"{row.kept:,}", *cells])
    widths = [max(len(line[at]) for line in table) for at in range(len(table[0]))]
    for line in table:
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    yield ""
    asked = f", {found.questions:,} questions" if found.questions else ""
    yield f"{found.records:,} texts{asked}; in brackets 95 % intervals"
    yield found.recommendation.reason


def write(config: SweepConfig, found: Sweep) -> list[str]:
    """Write sweep.json, sweep.csv and plots to `sweep.path`; returns where."""
    storage = Storage.at(config.sweep.path, config.sweep.storage_options, key="sweep.path")
    files = {
        "sweep.json": json.dumps(found.record(), indent=2).encode() + b"\n",
        "sweep.csv": _csv(found).encode(),
    }
    files |= dict(draw(_as_results(found, config.floors)))
    with storage.explained():
        for name, content in files.items():
            storage.put(name, content)
        storage.clear_scratch()
    return [f"{storage.url.rstrip('/')}/{name}" for name in files]


def _names(found: Sweep) -> list[str]:
    return list(dict.fromkeys(name for row in found.rows for name in row.figures))


def _cell(name: str, figure: Figure | None) -> str:
    if figure is None:
        return "-"
    if name in PLAIN:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _csv(found: Sweep) -> str:
    """A line for each rate and figure."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["rate", "figure", "value", "low", "high", "counted"])
    for row in found.rows:
        table.writerow([row.rate, "tokens", row.kept, row.kept, row.kept, row.tokens])
        for name, figure in row.figures.items():
            table.writerow([row.rate, name, figure.value, figure.low, figure.high, figure.counted])
    return text.getvalue()


def _as_results(found: Sweep, floors: FloorsSection) -> dict[str, Any]:
    """In the form of `evaluate`, whose plots these are: one contender, the model.

    The dashed line, there what the uncompressed text reaches, is the floor.
    """
    least = floors.model_dump()
    return {
        "contenders": [found.model],
        "tasks": [
            {
                "name": "sweep",
                "metrics": [
                    {
                        "name": name,
                        "counted": True,
                        "original": least.get(name),
                        "rows": [
                            {
                                "contender": found.model,
                                "achieved": row.figures[ACHIEVED].value,
                                "value": row.figures[name].value,
                                "low": row.figures[name].low,
                                "high": row.figures[name].high,
                            }
                            for row in found.rows
                            if name in row.figures
                        ],
                    }
                    for name in _names(found)
                    if name != ACHIEVED
                ],
            }
        ],
    }
