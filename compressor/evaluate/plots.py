"""Quality against rate: one plot a task, one panel a metric, one line a contender."""

import io
from collections.abc import Iterator
from typing import Any

_PANEL = (3.6, 3.0)  # inches
_COLUMNS = 4
FORMATS = ("svg", "png")


def draw(results: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of each plot, as SVG and PNG.

    The x axis is the achieved rate, so that one who keeps less than asked isn't drawn as if it had
    kept all of it; the dashed line is the uncompressed text; bars are the intervals.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for task in results["tasks"]:
        metrics = [metric for metric in task["metrics"] if metric["counted"]]
        columns = min(_COLUMNS, len(metrics))
        if not columns:
            continue
        lines = -(-len(metrics) // columns)
        figure = Figure(
            figsize=(_PANEL[0] * columns, _PANEL[1] * lines + 0.5), layout="constrained"
        )
        FigureCanvasAgg(figure)
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for panel in panels[len(metrics) :]:
            panel.set_axis_off()
        for panel, metric in zip(panels, metrics, strict=False):
            _draw_panel(panel, metric, results["contenders"])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        figure.suptitle(task["name"])
        for form in FORMATS:
            content = io.BytesIO()
            # Without date and random ids the same figures give the same bytes.
            metadata = {"Date": None} if form == "svg" else {"Software": None}
            figure.savefig(content, format=form, dpi=120, metadata=metadata)
            yield f"{task['name']}.{form}", content.getvalue()


def _draw_panel(panel: Any, metric: dict[str, Any], contenders: list[str]) -> None:
    for name in contenders:
        rows = [
            row
            for row in sorted(metric["rows"], key=lambda row: row["achieved"])
            if row["contender"] == name and row["value"] is not None and row["low"] is not None
        ]
        values = [row["value"] for row in rows]
        below = [max(0.0, row["value"] - row["low"]) for row in rows]
        above = [max(0.0, row["high"] - row["value"]) for row in rows]
        panel.errorbar(
            [row["achieved"] for row in rows],
            values,
            yerr=[below, above],
            label=name,
            marker="o",
            markersize=3,
            linewidth=1.2,
            elinewidth=0.8,
            capsize=2,
        )
    if metric["original"] is not None:
        panel.axhline(metric["original"], color="black", linestyle="--", linewidth=0.8)
    panel.set_title(metric["name"], fontsize=10)
    panel.set_xlabel("tokens kept / tokens", fontsize=8)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)
