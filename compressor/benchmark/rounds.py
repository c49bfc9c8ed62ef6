"""Alternating rounds: every contender once a round, forwards then backwards, so that a machine that
warms up or is shared treats all alike. Input: contenders and texts; output: seconds by round.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compressor.benchmark.contenders import Contender

WARM_UP = 16  # texts before the clock starts: first calls build kernels and caches


@dataclass(frozen=True)
class Timing:
    """The seconds that a contender took in each round, for so many texts and tokens."""

    name: str
    about: str
    seconds: tuple[float, ...]
    texts: int
    tokens: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def texts_per_second(self) -> float:
        return self.texts / self.median

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.median

    @property
    def range_of_tokens_per_second(self) -> tuple[float, float]:
        return self.tokens / max(self.seconds), self.tokens / min(self.seconds)


def time_rounds(
    contenders: Sequence[Contender],
    texts: Sequence[str],
    *,
    tokens: int,
    rounds: int,
    say: Callable[[str], None],
) -> list[Timing]:
    """Time all contenders on all texts, `rounds` times; `tokens` is what the texts hold."""
    for contender in contenders:
        contender.run(texts[:WARM_UP])
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            start = time.perf_counter()
            contender.run(texts)
            taken = time.perf_counter() - start
            seconds[contender.name].append(taken)
            say(
                f"round {number + 1}/{rounds}: {contender.name:<22} {taken:7.2f} s "
                f"{len(texts) / taken:8.1f} texts/s {tokens / taken:9,.0f} tokens/s"
            )
    return [
        Timing(contender.name, contender.about, tuple(seconds[contender.name]), len(texts), tokens)
        for contender in contenders
    ]
