"""The loop of a run: steps, held-out evaluations, checkpoints, resumption.

A run is a function of its settings, data and judge, for a step is one of (seed, step). Interrupted
anywhere and started again, it ends with the same weights, bit for bit.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from compressor.corpus.storage import Storage
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.state import Run, save_run
from compressor.train.metrics import append_line

Row = dict[str, Any]


def learn(
    run: Run[Any],
    config: ReinforceConfig,
    *,
    folder: Storage,
    step: Callable[[], Row],
    evaluate: Callable[[], dict[str, float]],
    say: Callable[[str], None],
    most: int | None = None,
) -> None:
    """Go on with `run` to its end, or for `most` steps.

    step: makes one update, returns what it measured; evaluate: held-out figures, of which
    `heldout_reward` says which weights are best. `folder` gets checkpoints and `metrics.jsonl`.
    """
    settings = config.training
    if run.step:
        say(f"going on after step {run.step} of {settings.steps}")
    elif not run.best:
        run.remember(evaluate())
        append_line(folder, {"step": 0, "of": settings.steps, **run.best_metrics})
    last = min(settings.steps, run.step + (most or settings.steps))
    began = time.perf_counter()
    over = False
    while run.step < last and not over:
        row = step()
        run.step += 1
        over = _seconds(run, began) > 60 * (settings.max_minutes or math.inf)
        ended = over or run.step == settings.steps
        if run.step % settings.evaluate_steps == 0 or ended:
            found = evaluate()
            run.remember(found)
            row |= found
        run.seconds, began = _seconds(run, began), time.perf_counter()
        append_line(folder, {**row, "seconds": round(run.seconds, 1)})
        if run.step % config.output.checkpoint_steps == 0 or ended:
            save_run(run, folder)
        say("  ".join(f"{key} {_short(value)}" for key, value in row.items()))


def _seconds(run: Run[Any], began: float) -> float:
    """Of training, up to now; the run counts those before `began`."""
    return run.seconds + time.perf_counter() - began


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
