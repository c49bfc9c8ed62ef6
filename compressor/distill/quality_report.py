"""What the quality measures of a set of examples look like, as one HTML page and as JSON.

In: the measures, the selection, and a way to see an example. Out: `quality.json` (counts, limits,
quantiles, histograms) and `quality.html` (the same as pictures and tables, and the worst examples
with their words), with nothing outside the page and no script.

    python -m compressor.distill.quality_report LABELS FOLDER
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.corpus.storage import Storage
from compressor.distill.quality import Limits, Quality, find_limits, measure, select
from compressor.distill.quality_page import Shown, page
from compressor.errors import InputError

MEASURES = tuple(field.name for field in fields(Quality))
QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1)
BINS = 40
WORST = 5  # examples shown for each of the two measures that examples are dropped by

Floats = npt.NDArray[np.float64]


def write_report(
    target: Storage,
    quality: Sequence[Quality | None],
    example: Callable[[int], tuple[str, str, str]],
    *,
    variation_share: float = 0.05,
    gap_share: float = 0.10,
) -> dict[str, Any]:
    """Write `quality.html` and `quality.json` into the directory; return what the latter holds.

    The shares are those of `select`. `example(i)` gives id, text and compression of one; it is
    called for the few worst only. Raises `ValueError` as `select` does.
    """
    shares = {"variation_share": variation_share, "gap_share": gap_share}
    limits = find_limits(quality, **shares)
    summary = summarise(quality, select(quality, **shares), limits) | {"shares": shares}
    worst = {
        name: [Shown(*example(i), one) for i, one in _worst(quality, limits, name)]
        for name in ("variation_rate", "alignment_gap")
    }
    target.put("quality.html", page(summary, worst).encode("utf-8", "replace"))
    target.put("quality.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def summarise(
    quality: Sequence[Quality | None], selected: npt.NDArray[np.bool_], limits: Limits
) -> dict[str, Any]:
    """Counts, limits (null: none), and for each measure its quantiles and histogram."""
    measured = [one for one in quality if one is not None]
    usable = [one for one in measured if one.matching_rate > 0]
    high_variation = sum(one.variation_rate > limits.variation_rate for one in usable)
    return {
        "examples": {
            "all": len(quality),
            "without measures": len(quality) - len(measured),
            "nothing kept": len(measured) - len(usable),
            "variation rate too high": high_variation,
            "alignment gap too high": len(usable) - high_variation - int(selected.sum()),
            "selected": int(selected.sum()),
        },
        "limits": {
            field.name: value if np.isfinite(value := getattr(limits, field.name)) else None
            for field in fields(limits)
        },
        "measures": {
            name: _distribution(np.array([getattr(one, name) for one in measured]))
            for name in MEASURES
        },
    }


def _distribution(values: Floats) -> dict[str, Any]:
    if not len(values):
        return {"mean": None, "zero": None, "quantiles": {}, "edges": [], "counts": []}
    counts, edges = np.histogram(values, BINS, (0, _nice(float(values.max()))))
    return {
        "mean": float(values.mean()),
        "zero": float((values == 0).mean()),
        "quantiles": {str(q): float(np.quantile(values, q)) for q in QUANTILES},
        "edges": [round(float(edge), 6) for edge in edges],
        "counts": counts.tolist(),
    }


def _nice(value: float) -> float:
    """The next of 0.1, 0.2, 0.5, 1, 2, 5 ... that isn't less."""
    scale = 0.1
    while scale * 5 < value:
        scale *= 10
    return next((scale * step for step in (1, 2) if scale * step >= value), scale * 5)


def _worst(
    quality: Sequence[Quality | None], limits: Limits, name: str
) -> list[tuple[int, Quality]]:
    """Up to WORST examples that are over the limit, the highest first; equals in their order."""
    over = [
        (i, one)
        for i, one in enumerate(quality)
        if one is not None and getattr(one, name) > getattr(limits, name)
    ]
    return sorted(over, key=lambda pair: -getattr(pair[1], name))[:WORST]


def main(labels: str, folder: str) -> None:
    """Measure the longer compressions (`half`) of JSON lines or Parquet; write the report.

    Rows have `id`, `text` and `half`: labels as `train` reads them, or a dataset of `distill`.
    """
    from compressor.corpus.rows import read_rows

    rows = read_rows(labels, ["id", "text", "half"], key="LABELS")
    summary = write_report(
        Storage.at(folder, key="FOLDER"),
        [None if row["half"] is None else measure(row["text"], row["half"]) for row in rows],
        lambda i: (str(rows[i]["id"]), rows[i]["text"], rows[i]["half"]),
    )
    print(json.dumps(summary["examples"]), f"{folder}/quality.html")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m compressor.distill.quality_report LABELS FOLDER")
    try:
        main(*sys.argv[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
