"""The quality report as a page of HTML: pictures are drawn in it as SVG, colours follow the system.

In: the summary that `quality_report` makes, and the worst examples. Out: the text of the page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from compressor.distill.annotate import annotate
from compressor.distill.quality import Quality
from compressor.distill.words import Vocabulary, split_words
from compressor.report.strike import visible

_WIDTH, _HEIGHT, _MARGIN = 340, 150, 34

_MEANING = {
    "variation_rate": "words of the compression that the passage doesn't have",
    "hitting_rate": "words of the compression that it has, over the words of the passage",
    "matching_rate": "words of the passage that are labelled as kept",
    "alignment_gap": "hitting rate less matching rate: words without a label",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quality of the teacher's compressions</title>
<style>
:root {{ color-scheme: light dark; --faint: light-dark(#6b6b6b, #9a9a9a);
  --line: light-dark(#dcdcdc, #3a3a3a); --stay: light-dark(#4a7ebb, #6f9fd8);
  --go: light-dark(#c8553d, #e07a5f); }}
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  font: 1rem/1.6 system-ui, sans-serif; }}
h1 {{ font-size: 1.3rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
.plots {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; width: 340px; max-width: 100%; }}
figcaption, header {{ color: var(--faint); font-size: .875rem; line-height: 1.35; }}
figcaption b, header b {{ color: CanvasText; }}
svg {{ width: 100%; font-size: 10px; fill: var(--faint); }}
svg .stay {{ fill: var(--stay); }} svg .go {{ fill: var(--go); }}
svg line {{ stroke: var(--line); }} svg .limit {{ stroke: var(--go); stroke-dasharray: 4 3; }}
table {{ border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .15rem .55rem; text-align: right; border-bottom: 1px solid var(--line); }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0; }}
.wide {{ overflow-x: auto; }}
article {{ border-top: 1px solid var(--line); padding: .8rem 0; }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; }}
del {{ color: var(--faint); opacity: .75; }}
mark {{ background: none; color: var(--go); font-weight: 600; }}
</style>
<h1>Quality of the teacher's compressions</h1>
<table>{counts}</table>
<h2>Distributions</h2>
<p>Heights are logarithmic. Beyond the dashed line an example is dropped: the worst
{variation_share:.0%} by variation rate, of the rest the worst {gap_share:.0%} by alignment gap;
equals are not divided.</p>
<div class="plots">{plots}</div>
<h2>Quantiles</h2>
<div class="wide"><table>{quantiles}</table></div>
{worst}
</html>
"""


@dataclass(frozen=True)
class Shown:
    """An example as the page shows it."""

    id: str
    text: str
    compressed: str
    quality: Quality


def page(summary: Mapping[str, Any], worst: Mapping[str, Sequence[Shown]]) -> str:
    """The whole page; `worst`: for a measure, the examples that were dropped for it."""
    return _PAGE.format(
        counts="".join(
            f"<tr><td>{escape(name)}</td><td>{count:,}</td></tr>"
            for name, count in summary["examples"].items()
        ),
        plots="".join(
            _figure(name, measure, summary["limits"].get(name))
            for name, measure in summary["measures"].items()
        ),
        quantiles=_quantiles(summary["measures"]),
        worst="".join(_worst(name, examples) for name, examples in worst.items()),
        **summary["shares"],
    )


def _figure(name: str, measure: Mapping[str, Any], limit: float | None) -> str:
    zero = "" if measure["zero"] is None else f"; 0 in {measure['zero']:.0%} of the examples"
    return (
        f"<figure>{_histogram(measure['edges'], measure['counts'], limit)}"
        f"<figcaption><b>{_title(name)}</b>: {_MEANING[name]}{zero}</figcaption></figure>"
    )


def _histogram(edges: Sequence[float], counts: Sequence[int], limit: float | None) -> str:
    """Bars of logarithmic height; those beyond the limit have the other colour."""
    if not counts:
        return ""
    plot = _HEIGHT - 36
    base = _HEIGHT - 18
    top = math.log1p(max(counts))

    def across(value: float) -> float:
        return _MARGIN + (value - edges[0]) / (edges[-1] - edges[0]) * (_WIDTH - _MARGIN - 8)

    parts = []
    for power in range(int(math.log10(max(counts))) + 1):
        y = base - plot * math.log1p(10**power) / top
        parts.append(
            f'<line x1="{_MARGIN}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_MARGIN - 4}" y="{y + 3:.1f}" text-anchor="end">{10**power:,}</text>'
        )
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count:
            side = "go" if limit is not None and low > limit else "stay"
            height = plot * math.log1p(count) / top
            parts.append(
                f'<rect class="{side}" x="{across(low):.1f}" y="{base - height:.1f}" '
                f'width="{max(across(high) - across(low) - 1, 1):.1f}" height="{height:.1f}">'
                f"<title>{low:.3g} to {high:.3g}: {count:,}</title></rect>"
            )
    parts += [
        f'<text x="{across(value):.1f}" y="{base + 13}" text-anchor="middle">{value:.3g}</text>'
        for value in (edges[0], (edges[0] + edges[-1]) / 2, edges[-1])
    ]
    if limit is not None:
        x = across(limit)
        parts.append(
            f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="12" y2="{base}"/>'
            f'<text x="{x + 4:.1f}" y="16">{limit:.3g}</text>'
        )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _quantiles(measures: Mapping[str, Any]) -> str:
    heads = next(iter(measures.values()))["quantiles"]
    names = {"0": "lowest", "1": "highest"}
    head = "".join(f"<th>{names.get(q) or f'{float(q):.0%}'}</th>" for q in heads)
    rows = "".join(
        f"<tr><td>{_title(name)}</td><td>{measure['mean']:.4f}</td>"
        + "".join(f"<td>{value:.4f}</td>" for value in measure["quantiles"].values())
        + "</tr>"
        for name, measure in measures.items()
        if heads
    )
    return f"<tr><th></th><th>mean</th>{head}</tr>{rows}"


def _worst(name: str, examples: Sequence[Shown]) -> str:
    if not examples:
        return ""
    articles = "".join(map(_article, examples))
    return (
        f"<h2>Dropped for their {_title(name)}: the worst</h2><p>First the passage, words without "
        "a label <del>struck through</del>; then the compression, words that the passage doesn't "
        f"have <mark>in colour</mark>.</p>{articles}"
    )


def _article(shown: Shown) -> str:
    rates = ", ".join(f"{_title(name)} {getattr(shown.quality, name):.3f}" for name in _MEANING)
    return (
        f"<article><header><b>{_safe(shown.id)}</b> · {rates}</header>"
        f'<div class="text" dir="auto">{_struck(shown.text, shown.compressed)}</div>'
        f'<div class="text" dir="auto">→ {_marked(shown.text, shown.compressed)}</div></article>'
    )


def _struck(text: str, compressed: str) -> str:
    """The passage; runs of dropped words are struck through."""
    annotation = annotate(text, compressed, None)
    parts = []
    end = 0
    edges = np.flatnonzero(np.diff(annotation.labels > 0)) + 1
    for run in np.split(np.arange(len(annotation.labels)), edges):
        if len(run):
            first, last = annotation.spans[run[0], 0], annotation.spans[run[-1], 1]
            piece = _safe(text[first:last])
            dropped = annotation.labels[run[0]] == 0
            parts.append(_safe(text[end:first]) + (f"<del>{piece}</del>" if dropped else piece))
            end = last
    return "".join(parts) + _safe(text[end:])


def _marked(text: str, compressed: str) -> str:
    """The compression; words that the passage doesn't have are marked."""
    vocabulary = Vocabulary(split_words(text))
    parts = []
    end = 0
    for word in split_words(compressed):
        if not word.is_mark and not vocabulary.holds(word.key):
            parts.append(_safe(compressed[end : word.start]))
            parts.append(f"<mark>{_safe(word.text)}</mark>")
            end = word.start + len(word.text)
    return "".join(parts) + _safe(compressed[end:])


def _title(name: str) -> str:
    return name.replace("_", " ")


def _safe(text: str) -> str:
    return escape(visible(text))
