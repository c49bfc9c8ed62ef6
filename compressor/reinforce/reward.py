"""What a pruned prompt is worth (CoT-Influx, section 3.3)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def quality(loss: npt.ArrayLike, right: npt.ArrayLike = 0) -> Floats:
    """1 / (1 + L) + R_acc, float64. loss: L, of the judge on the gold solution, in nats a token.

    right: R_acc, 1 where its own answer is right, else 0.
    """
    return 1 / (1 + np.asarray(loss, np.float64)) + np.asarray(right, np.float64)


def budget_factor(tokens: npt.ArrayLike, budget: int) -> Floats:
    """(t / T)^w, float64: w is 1 up to the budget T and -1 beyond it, so that T itself is best."""
    share = np.asarray(tokens, np.float64) / budget
    return np.where(share <= 1, share, 1 / np.maximum(share, 1))


def reward(loss: npt.ArrayLike, right: npt.ArrayLike, tokens: npt.ArrayLike, budget: int) -> Floats:
    """R = (1 / (1 + L) + R_acc) * (t / T)^w, float64."""
    return quality(loss, right) * budget_factor(tokens, budget)
