"""The arguments of a call, checked once: what is out of range raises `ValueError`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compressor.engine.protect import Protection
from compressor.engine.subwords import TokenCounter

Rates = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Selection:
    """How much of each text is kept, and what of it in any case.

    rates: float64 [n], one for each text; counter: what counts tokens, None for the model's own
    tokenizer; threshold: keep by P(keep) instead of by budget.
    """

    rates: Rates
    target_tokens: int | None = None
    protection: Protection = field(default_factory=lambda: Protection((), ()))
    force_reserve_digit: bool = False
    drop_consecutive: bool = False
    counter: TokenCounter | None = None
    threshold: float | None = None


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is no list of str."""
    if isinstance(texts, str):
        raise ValueError("texts: wants a list of texts, got one str")
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"texts[{at}]: wants str, got {type(text).__name__}")


def check_rates(rate: float | Sequence[float], n: int) -> Rates:
    """One rate for each of n texts, float64 [n], each with 0 < rate <= 1."""
    rates = np.asarray(rate, dtype=np.float64)
    if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != n):
        raise ValueError(f"rate: wants a number or one for each of the {n} texts")
    bad = ~((rates > 0) & (rates <= 1))
    if bad.any():
        raise ValueError(f"rate: wants 0 < rate <= 1, got {rates[bad].flat[0]}")
    return np.broadcast_to(rates, (n,))


def check_target(target_tokens: int | None) -> int | None:
    """A whole number of tokens, or None."""
    if target_tokens is None:
        return None
    whole = isinstance(target_tokens, int | np.integer) and not isinstance(target_tokens, bool)
    if not whole or target_tokens < 1:
        raise ValueError(f"target_tokens: wants a whole number >= 1, got {target_tokens!r}")
    return int(target_tokens)


def check_protection(force_tokens: Sequence[str], protect: Sequence[str]) -> Protection:
    """Force tokens and patterns, compiled."""
    for name, value in (("force_tokens", force_tokens), ("protect", protect)):
        if isinstance(value, str) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"{name}: wants a list of str, got {value!r}")
    if "" in force_tokens:
        raise ValueError("force_tokens: holds an empty string")
    return Protection.of(force_tokens, protect)


def check_threshold(threshold: float | None) -> float | None:
    if threshold is not None and not math.isfinite(threshold):
        raise ValueError(f"threshold: wants a number, got {threshold!r}")
    return threshold
