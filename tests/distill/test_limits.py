"""The gate: places, pace, caps, the order to stop."""

import asyncio
import time
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.distill.config import TeacherSection
from compressor.distill.limits import BROKEN, CAPPED, INTERRUPTED, Limits, Pace, Usage

AMOUNT = st.integers(1, 400)


def limits(spent: Usage = Usage(), **settings: Any) -> Limits:  # noqa: B008
    return Limits(TeacherSection(model="small", **settings), spent)


@given(
    per_minute=st.integers(1, 300),
    steps=st.lists(st.tuples(st.floats(0, 30), AMOUNT), max_size=80),
)
def test_no_minute_has_more_than_its_share(per_minute: int, steps: list[tuple[float, int]]) -> None:
    """Whenever one could start, at most the limit and the last amount start within a minute."""
    pace, now, recent = Pace(per_minute), 0.0, deque[tuple[float, int]]()
    for idle, amount in steps:
        now += idle
        now += pace.wait(now)
        pace.take(now, amount)
        recent.append((now, amount))
        while recent[0][0] <= now - 60 + 1e-6:
            recent.popleft()
        assert sum(amount for _, amount in recent) - amount <= per_minute + 1e-6


def test_no_minute_has_more_requests_than_allowed() -> None:
    pace, now, starts = Pace(7), 100.0, []
    for _ in range(30):
        now += pace.wait(now)
        pace.take(now, 1)
        starts.append(now)
    assert all(later - first >= 60 - 1e-6 for first, later in zip(starts, starts[7:], strict=False))
    assert starts[0] == 100.0
    assert starts[-1] == pytest.approx(100 + 29 * 60 / 7)


def test_tokens_that_were_not_used_come_back() -> None:
    pace = Pace(600)
    pace.take(0.0, 100)
    assert pace.wait(0.0) == pytest.approx(10)
    pace.correct(-80)
    assert pace.wait(0.0) == pytest.approx(2)
    assert Pace(None).wait(5.0) == 0


@settings(deadline=None, max_examples=40)
@given(
    costs=st.lists(st.tuples(AMOUNT, st.integers(0, 50)), max_size=60),
    cap=st.integers(0, 5000),
    places=st.integers(1, 5),
)
def test_neither_places_nor_cap_are_exceeded(
    costs: list[tuple[int, int]], cap: int, places: int
) -> None:
    """Requests that use less than their worst case; what is left at the end is less than one."""

    async def scenario() -> None:
        gate = limits(concurrency=places, max_tokens_spent=cap or 1)
        holder = await gate.enter(0)
        under_way, asked = 0, 0

        async def work(prompt: int, completion: int) -> None:
            nonlocal under_way, asked
            permit = await gate.acquire(holder, Usage(prompt, 50))
            if permit is None:
                return
            under_way, asked = under_way + 1, asked + 1
            assert under_way <= places
            await asyncio.sleep(0)
            under_way -= 1
            await gate.release(permit, Usage(prompt, completion))

        await asyncio.gather(*(work(*cost) for cost in costs))
        spent = (await gate.counts()).spent.total
        assert spent <= max(cap, 1)
        stop = await gate.why_stopped()
        assert (stop is not None) == (asked < len(costs))
        if stop is not None:
            assert stop.kind == CAPPED
            assert spent + max(prompt + 50 for prompt, _ in costs) > cap

    asyncio.run(scenario())


def test_earlier_runs_count_for_the_cap() -> None:
    async def scenario() -> None:
        gate = limits(Usage(90, 5), max_tokens_spent=100)
        assert await gate.acquire(await gate.enter(0), Usage(5, 1)) is None
        assert (await gate.why_stopped()).kind == CAPPED  # type: ignore[union-attr]

    asyncio.run(scenario())


def test_a_stop_wakes_all_who_wait() -> None:
    async def scenario() -> None:
        gate = limits(concurrency=1)
        holder = await gate.enter(0)
        assert await gate.acquire(holder, Usage(1)) is not None
        waiting = [asyncio.create_task(gate.acquire(holder, Usage(1))) for _ in range(3)]
        sleeping = asyncio.create_task(gate.sleep(60))
        await asyncio.sleep(0.01)
        await gate.stop(INTERRUPTED, "stopped")
        await gate.stop(BROKEN, "later")
        assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [None] * 3
        await asyncio.wait_for(sleeping, 5)
        assert (await gate.why_stopped()).kind == INTERRUPTED  # type: ignore[union-attr]

    asyncio.run(scenario())


def test_a_pause_holds_everybody_back() -> None:
    async def scenario() -> None:
        gate = limits()
        permit = await gate.acquire(await gate.enter(0), Usage(1))
        assert permit is not None
        await gate.release(permit, Usage(1), pause=0.2)
        before = time.monotonic()
        assert await gate.acquire(await gate.enter(1), Usage(1)) is not None
        assert time.monotonic() - before >= 0.19

    asyncio.run(scenario())


def test_a_worker_that_died_holds_nothing_and_waits_for_nothing() -> None:
    async def scenario() -> None:
        gate = limits(concurrency=2)
        died, other = await gate.enter(7), await gate.enter(8)
        for _ in range(2):
            assert await gate.acquire(died, Usage(1)) is not None
        orphan = asyncio.create_task(gate.acquire(died, Usage(1)))
        blocked = asyncio.create_task(gate.acquire(other, Usage(1)))
        await asyncio.sleep(0.01)
        assert not blocked.done()
        again = await gate.enter(7)
        assert await asyncio.wait_for(orphan, 5) is None
        assert await asyncio.wait_for(blocked, 5) is not None
        assert await asyncio.wait_for(gate.acquire(again, Usage(1)), 5) is not None
        assert (await gate.counts()).under_way == 2

    asyncio.run(scenario())


def test_failures_in_a_row_end_the_job_and_single_ones_dont() -> None:
    async def scenario() -> None:
        gate = limits(concurrency=2)
        for _ in range(20):
            for failure in ("500", "500", None):
                await gate.finished(failure)
        assert await gate.why_stopped() is None
        for _ in range(8):
            await gate.finished("500: broken")
        stop = await gate.why_stopped()
        assert stop is not None
        assert stop.kind == BROKEN
        assert "8 chunks in a row; the last one: 500: broken" in stop.message
        counts = await gate.counts()
        assert (counts.answered, counts.failed) == (68, 48)

    asyncio.run(scenario())
