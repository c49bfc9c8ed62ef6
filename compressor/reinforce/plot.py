"""The curves of a run as a picture."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compressor.corpus.storage import Storage

CURVES = "curves.png"
_PANELS = (
    ("reward", "heldout_reward"),
    ("loss", "heldout_loss"),
    ("shots", "heldout_shots"),
    ("words_kept", "heldout_words_rate"),
    ("shot_entropy", "word_entropy"),
    ("shot_kl", "word_kl"),
)
_SMOOTHED = 20
"""Steps that a curve of single steps is averaged over."""


def plot_curves(
    rows: Sequence[Mapping[str, Any]],
    folder: Storage,
    say: Callable[[str], None],
    panels: Sequence[Sequence[str]] = _PANELS,
) -> None:
    """Draw figures over the steps: reward and loss, what is kept, entropy and KL to the start.

    panels: six of them, each of keys of `rows`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, keys in zip(figure.subplots(2, 3).flat, panels, strict=True):
        for key in keys:
            points = [(row["step"], row[key]) for row in rows if key in row]
            if points:
                steps, values = zip(*points, strict=True)
                smooth = values if key.startswith("heldout") else _smoothed(values)
                axes.plot(steps, smooth, label=key)
        axes.set_xlabel("step")
        if axes.lines:
            axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    folder.put(CURVES, buffer.getvalue())
    say(f"curves: {folder.url}/{CURVES}")


def _smoothed(values: Sequence[float]) -> list[float]:
    """The mean of each value and those just before it."""
    parts = (values[max(0, at - _SMOOTHED + 1) : at + 1] for at in range(len(values)))
    return [sum(part) / len(part) for part in parts]
