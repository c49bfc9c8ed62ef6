"""What is compared: something that takes all texts, and is timed while it works on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Task = Callable[[], "Measured | None"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run found out itself.

    seconds: what counts instead of the clock's (None: the clock's); details: numbers by name.
    """

    seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contender:
    """`ready` takes the texts, outside the clock, and returns what is timed, again and again."""

    name: str
    about: str
    ready: Callable[[Sequence[str]], Task]


@dataclass(frozen=True, slots=True)
class Skipped:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run.

    memory: peak bytes of the process (RSS) so far, gpu_memory: those that torch had of the GPU;
    None where they can't be told.
    """

    seconds: float
    memory: int | None = None
    gpu_memory: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def plain(name: str, about: str, run: Callable[[Sequence[str]], object]) -> Contender:
    """A contender that needs nothing outside the clock."""

    def ready(texts: Sequence[str]) -> Task:
        def task() -> None:
            run(texts)

        return task

    return Contender(name, about, ready)
