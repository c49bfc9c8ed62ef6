"""Alternating rounds: every contender once a round, forwards then backwards, so that a machine that
warms up or is shared treats all alike. Input: contenders and texts; output: samples by round.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from compressor.benchmark.contender import Sample

WARM_UP = 16  # texts of those that are too slow to warm up with all


class Runner(Protocol):
    """A loaded contender, wherever it runs."""

    name: str
    about: str

    def ready(self, texts: Sequence[str]) -> None: ...

    def run(self) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender with what it gets; `warm_up`: texts of the run before the first round."""

    runner: Runner
    texts: Sequence[str]
    tokens: int
    warm_up: int


@dataclass(frozen=True, slots=True)
class Timing:
    """The samples of a contender, one a round, for so many texts and tokens."""

    name: str
    about: str
    samples: tuple[Sample, ...]
    texts: int
    tokens: int

    @property
    def seconds(self) -> tuple[float, ...]:
        return tuple(sample.seconds for sample in self.samples)

    @property
    def texts_per_second(self) -> float:
        return self.texts / statistics.median(self.seconds)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / statistics.median(self.seconds)

    @property
    def range_of_tokens_per_second(self) -> tuple[float, float]:
        return self.tokens / max(self.seconds), self.tokens / min(self.seconds)

    @property
    def memory(self) -> int | None:
        """Peak bytes of the process."""
        return max((sample.memory or 0 for sample in self.samples), default=0) or None

    @property
    def gpu_memory(self) -> int | None:
        return max((sample.gpu_memory or 0 for sample in self.samples), default=0) or None


def time_rounds(
    entrants: Sequence[Entrant], *, rounds: int, say: Callable[[str], None]
) -> list[Timing]:
    """Time all entrants, `rounds` times; they are warm."""
    samples: dict[str, list[Sample]] = {entrant.runner.name: [] for entrant in entrants}
    for number in range(rounds):
        for entrant in entrants if number % 2 == 0 else reversed(entrants):
            sample = entrant.runner.run()
            samples[entrant.runner.name].append(sample)
            say(f"round {number + 1}/{rounds}: {_line(entrant, sample)}")
    return [timing_of(entrant, samples[entrant.runner.name]) for entrant in entrants]


def warm_up(entrant: Entrant) -> Entrant:
    """First calls build kernels and caches: run once, and hand over all texts."""
    if entrant.warm_up < len(entrant.texts):
        entrant.runner.ready(entrant.texts[: entrant.warm_up])
        entrant.runner.run()
        entrant.runner.ready(entrant.texts)
    else:
        entrant.runner.ready(entrant.texts)
        entrant.runner.run()
    return entrant


def timing_of(entrant: Entrant, samples: Sequence[Sample]) -> Timing:
    runner = entrant.runner
    return Timing(runner.name, runner.about, tuple(samples), len(entrant.texts), entrant.tokens)


def _line(entrant: Entrant, sample: Sample) -> str:
    return (
        f"{entrant.runner.name:<22} {sample.seconds:8.3f} s "
        f"{len(entrant.texts) / sample.seconds:9.1f} texts/s "
        f"{entrant.tokens / sample.seconds:11,.0f} tokens/s"
    )
