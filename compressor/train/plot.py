"""The curves of a job's runs as a picture."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compressor.corpus.storage import Storage

CURVES = "curves.png"
_PANELS = (("loss", "heldout_loss"), ("auc_half", "auc_quarter"))


def plot_curves(
    rows: Sequence[Mapping[str, Any]], folder: Storage, say: Callable[[str], None]
) -> None:
    """Draw training and held-out loss, and the held-out ranks, of every run over its steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, keys in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for name in dict.fromkeys(row["run"] for row in rows):
            for key in keys:
                points = [(r["step"], r[key]) for r in rows if r["run"] == name and key in r]
                axes.plot(*zip(*points, strict=True), label=f"{name} {key}", marker=".")
        axes.set_xlabel("step")
        axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    folder.put(CURVES, buffer.getvalue())
    say(f"curves: {folder.url}/{CURVES}")
