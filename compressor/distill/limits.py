"""How much may be asked at a time, in a minute and in all: the gate that every request passes.

One `Limits` serves all workers of a job. A request asks for a permit, which it gets in turn once a
place is free, the pace allows it and the worst that it can cost fits below the caps; it gives the
permit back with what it did cost. No Ray here: an actor is made of the class elsewhere.
"""

import asyncio
import itertools
import math
import time
from dataclasses import dataclass

from compressor.distill.config import TeacherSection

CAPPED, INTERRUPTED, BROKEN, WRONG = "capped", "interrupted", "broken", "wrong"
LEAST_FAILURES_IN_A_ROW = 8


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of prompts and of answers."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt - other.prompt, self.completion - other.completion)

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def cost(self, prices: tuple[float, float] | None) -> float | None:
        """By prices of a million tokens of prompts and of answers; None without prices."""
        return (
            None
            if prices is None
            else (self.prompt * prices[0] + self.completion * prices[1]) / 1e6
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing more is asked: `capped`, `interrupted`, `broken` (the teacher fails) or `wrong`.

    `wrong`: the configuration is, so that no request can succeed (key, model, address, quota).
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Where a job stands: `answered` includes `failed` ones (given up); `spent` earlier runs."""

    answered: int
    failed: int
    under_way: int
    spent: Usage


class Pace:
    """Amounts spread evenly, without bursts: in any minute at most `per_minute`.

    (For amounts above 1: at most that and the last one.) Seconds of any monotonic clock go in.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._seconds_each = 60 / per_minute if per_minute else 0.0
        self._free_at = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until the next may start."""
        return max(0.0, self._free_at - now)

    def take(self, now: float, amount: float) -> None:
        self._free_at = max(now, self._free_at) + amount * self._seconds_each

    def correct(self, amount: float) -> None:
        """Count `amount` more (or less) than was taken."""
        self._free_at += amount * self._seconds_each


class Limits:
    """The gate. All methods run on one event loop."""

    def __init__(self, teacher: TeacherSection, spent: Usage = Usage()) -> None:
        self._teacher = teacher
        self._requests = Pace(teacher.requests_per_minute)
        self._tokens = Pace(teacher.tokens_per_minute)
        self._spent = spent
        self._holders: dict[int, int] = {}
        self._permits: dict[int, tuple[int, Usage]] = {}
        self._numbers = itertools.count()
        self._paused_until = -math.inf
        self._answered = self._failed = self._failures_in_a_row = 0
        self._turn = asyncio.Lock()  # first come, first served
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stop: Stop | None = None

    async def enter(self, work: int) -> int:
        """The name under which a worker asks for permits for `work`, new for each attempt at it.

        What an earlier attempt holds is free again, and what it waits for it doesn't get: its
        process has died.
        """
        former = self._holders.get(work)
        for number, (owner, _) in list(self._permits.items()):
            if owner == former:
                del self._permits[number]
        self._holders[work] = next(self._numbers)
        self._changed.set()
        return self._holders[work]

    async def acquire(self, holder: int, worst: Usage) -> int | None:
        """A permit, after as long a wait as it takes; None: nothing more is asked.

        `worst`: the most that the request can use.
        """
        async with self._turn:
            while self._stop is None and holder in self._holders.values():
                if not self._affordable(worst) and not self._permits:
                    self._end(Stop(CAPPED, self._cap()))
                    break
                wait = self._seconds(worst)
                if wait <= 0:
                    return self._permit(holder, worst)
                await self._change(wait)
        return None

    async def release(self, permit: int, used: Usage, pause: float = 0.0) -> None:
        """Give a permit back; `pause`: seconds for which the teacher wants to hear from nobody."""
        _, worst = self._permits.pop(permit, (0, Usage()))
        self._spent += used
        self._tokens.correct(used.total - worst.total)
        self._paused_until = max(self._paused_until, time.monotonic() + pause)
        self._changed.set()

    async def finished(self, failure: str | None) -> None:
        """A chunk is done with: answered, or given up because of `failure`.

        So many failures in a row that it can't be the chunks end the job.
        """
        self._answered += 1
        self._failed += failure is not None
        self._failures_in_a_row = 0 if failure is None else self._failures_in_a_row + 1
        if failure and self._failures_in_a_row >= self._most_failures():
            await self.stop(
                BROKEN,
                f"teacher.base_url: {self._teacher.base_url}: no answer to "
                f"{self._failures_in_a_row} chunks in a row; the last one: {failure}",
            )

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than things are asked at all."""
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return

    async def stop(self, kind: str, message: str) -> None:
        """Give no permit any more; the first reason stands."""
        self._end(Stop(kind, message))

    async def why_stopped(self) -> Stop | None:
        return self._stop

    async def counts(self) -> Counts:
        return Counts(self._answered, self._failed, len(self._permits), self._spent)

    def _permit(self, holder: int, worst: Usage) -> int:
        now = time.monotonic()
        self._requests.take(now, 1)
        self._tokens.take(now, worst.total)
        number = next(self._numbers)
        self._permits[number] = (holder, worst)
        return number

    def _seconds(self, worst: Usage) -> float:
        """Until a permit can be given; infinite where one must come back first."""
        if len(self._permits) >= self._teacher.concurrency or not self._affordable(worst):
            return math.inf
        now = time.monotonic()
        return max(self._requests.wait(now), self._tokens.wait(now), self._paused_until - now)

    def _affordable(self, worst: Usage) -> bool:
        most = sum((held for _, held in self._permits.values()), self._spent + worst)
        tokens, money = self._teacher.max_tokens_spent, self._teacher.max_cost
        cost = most.cost(self._teacher.prices)
        return (tokens is None or most.total <= tokens) and (
            money is None or cost is None or cost <= money
        )

    def _cap(self) -> str:
        cost = self._spent.cost(self._teacher.prices)
        price = "" if cost is None else f", cost {cost:,.2f}"
        return f"the cap is reached ({self._spent.total:,} tokens{price})"

    def _most_failures(self) -> int:
        return max(LEAST_FAILURES_IN_A_ROW, self._teacher.concurrency)

    def _end(self, stop: Stop) -> None:
        if self._stop is None:
            self._stop = stop
        self._stopped.set()
        self._changed.set()

    async def _change(self, seconds: float) -> None:
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), None if seconds == math.inf else seconds)
        except TimeoutError:
            return
