"""Charts as SVG that lives in a page: its text is text, its colours are the page's.

Drawn by matplotlib in placeholder colours, which become CSS variables, so that light, dark and
print need no other picture. Input: numbers; output: `<svg>` elements. The same numbers give the
same bytes.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

SIZE = (4.2, 1.9)  # inches: half of a page, or all of a narrow one
_COLOURS = {
    "ink": "#010101",
    "faint": "#020202",
    "line": "#030303",
    "before": "#040404",
    "after": "#050505",
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": _COLOURS["line"],
    "axes.labelcolor": _COLOURS["faint"],
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _COLOURS["line"],
    "grid.linewidth": 0.6,
    "text.color": _COLOURS["ink"],
    "xtick.color": _COLOURS["line"],
    "ytick.color": _COLOURS["line"],
    "xtick.labelcolor": _COLOURS["faint"],
    "ytick.labelcolor": _COLOURS["faint"],
    "ytick.major.size": 0,
    "xtick.major.size": 2.5,
}
_ASIDE = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)
_NAMESPACES = re.compile(r' xmlns(:\w+)?="[^"]*"| version="1.1"')
_SIZE = re.compile(r' (?:width|height)="[^"]*"')
_NAMES = re.compile(r' id="[A-Za-z]+[\w.]*_\d+"')
_FONT = re.compile(r"(font-family: |font: [^;'\"]*px )[^;\"]*")


def bars(
    edges: Sequence[float], counts: Sequence[float], *, label: str, mark: float | None = None
) -> Markup:
    """A histogram over shares. edges: [n + 1] of `counts`; mark: a share to draw a line at."""

    def draw(axes: Any) -> None:
        from matplotlib.ticker import PercentFormatter

        widths = np.diff(edges)
        axes.bar(edges[:-1], counts, 0.88 * widths, align="edge", color=_COLOURS["after"])
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlim(edges[0], edges[-1])
        _count_axis(axes)
        axes.set_xlabel(label)
        if mark is not None:
            axes.axvline(mark, color=_COLOURS["ink"], linewidth=1, linestyle=(0, (3, 2)))

    return _svg(draw, f"bars {label}")


def lines(shares: Sequence[float], values: Mapping[str, Sequence[float]], *, label: str) -> Markup:
    """Quantiles: `values` by name ("before", "after") at these shares of the records."""

    def draw(axes: Any) -> None:
        from matplotlib.ticker import PercentFormatter

        for name, own in values.items():
            axes.plot(shares, own, color=_COLOURS[name], linewidth=1.8, solid_capstyle="round")
            axes.annotate(
                name,
                (shares[-1], own[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=_COLOURS[name],
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(label)
        _count_axis(axes)

    return _svg(draw, f"lines {label}", right=0.88)


def steps(edges: Sequence[float], values: Sequence[float], *, label: str) -> Markup:
    """What a rate was between the edges, in time."""

    def draw(axes: Any) -> None:
        axes.stairs(values, edges, color=_COLOURS["after"], linewidth=1.5, fill=False)
        axes.stairs(values, edges, color=_COLOURS["after"], alpha=0.15, fill=True)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label)
        _count_axis(axes)

    return _svg(draw, f"steps {label}")


def _count_axis(axes: Any) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def _svg(draw: Callable[[Any], None], salt: str, right: float = 0.985) -> Markup:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": salt}):
        figure = Figure(figsize=SIZE)
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        figure.subplots_adjust(left=0.1, right=right, top=0.95, bottom=0.22)
        draw(axes)
        content = io.StringIO()
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_of_the_page(content.getvalue()))


def _of_the_page(svg: str) -> str:
    """Without what a file of its own needs, and in the page's colours, font and width."""
    svg = _ASIDE.sub("", svg[svg.index("<svg ") :])
    svg = _NAMESPACES.sub("", svg)
    head, body = svg.split(">", 1)
    svg = f"{_SIZE.sub('', head)}>{body}"
    svg = _NAMES.sub("", svg)
    svg = _FONT.sub(r"\1var(--font)", svg)
    for name, placeholder in _COLOURS.items():
        svg = svg.replace(placeholder, f"var(--{name})")
    return svg.strip()
