"""The arguments of a call, checked once: what is out of range raises `ValueError`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from compressor.engine.compression import Threshold
from compressor.engine.passages import Starts, Text
from compressor.engine.protect import Protection
from compressor.engine.subwords import TokenCounter

Rates = npt.NDArray[np.float64]
Coarse = Literal["none", "sentence"]


@dataclass(frozen=True, slots=True)
class Selection:
    """How much of each text is kept, and what of it in any case.

    rates: float64 [n], one for each text; counter: what counts tokens, None for the model's own
    tokenizer; threshold: keep by P(keep) instead of by budget; passages: where those of each text
    begin, None where no text is a list of passages.
    """

    rates: Rates
    target_tokens: int | None = None
    protection: Protection = field(default_factory=lambda: Protection((), ()))
    force_reserve_digit: bool = False
    drop_consecutive: bool = False
    counter: TokenCounter | None = None
    threshold: Threshold | None = None
    coarse: Coarse = "none"
    coarse_share: float | None = None
    passages: Starts | None = None

    def passages_of(self, chunk: slice) -> Starts | None:
        """Those of some of the texts."""
        return None if self.passages is None else self.passages[chunk]


def check_texts(texts: Sequence[Text]) -> None:
    """Refuse what is no list of str or of lists of str."""
    if isinstance(texts, str):
        raise ValueError("texts: wants a list of texts, got one str")
    for at, text in enumerate(texts):
        if isinstance(text, str):
            continue
        if not isinstance(text, list | tuple):
            raise ValueError(f"texts[{at}]: wants str or a list, got {type(text).__name__}")
        for passage in text:
            if not isinstance(passage, str):
                raise ValueError(f"texts[{at}]: holds {type(passage).__name__}, wants str")


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


def check_coarse(coarse: str, coarse_share: float | None) -> tuple[Coarse, float | None]:
    """How much of the text the sentences that stay hold: 0 < coarse_share <= 1, or None."""
    if coarse not in get_args(Coarse):
        raise ValueError(f"coarse: wants {' or '.join(get_args(Coarse))}, got {coarse!r}")
    if coarse_share is not None:
        if coarse == "none":
            raise ValueError("coarse_share: has no meaning with coarse='none'")
        if not 0 < coarse_share <= 1:
            raise ValueError(f"coarse_share: wants 0 < share <= 1, got {coarse_share!r}")
    return coarse, coarse_share  # type: ignore[return-value]


def check_threshold(threshold: float | Sequence[float] | None, coarse: str) -> Threshold | None:
    """A number; with coarse="sentence" two, of words and of sentences."""
    if threshold is None:
        return None
    numbers = np.asarray(threshold, np.float64)
    if numbers.shape != (() if coarse == "none" else (2,)) or not np.isfinite(numbers).all():
        wanted = "a number" if coarse == "none" else "two numbers, of words and of sentences"
        raise ValueError(f"threshold: wants {wanted}, got {threshold!r}")
    return float(numbers) if coarse == "none" else (float(numbers[0]), float(numbers[1]))
