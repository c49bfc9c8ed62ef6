"""The time that is left is right in the situations that runs get into, second by second."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.pipeline.pace import Pace

ROWS = 100  # of a shard


def run(
    shards: int, replicas: int, seconds: float, pauses: dict[int, float] | None = None
) -> Iterator[tuple[float, float | None, float]]:
    """Simulate a run of shards that take so long each; yield each second after the first shard
    (clock, time left by the pace, real time left without pauses to come).

    pauses: after that many shards, no replica is there for so many seconds.
    """
    pace, clock, done, worked = Pace(), 0.0, 0, 0.0
    pauses = dict(pauses or {})
    pace.see(clock, working=False, rows=0, tokens=0)
    whole = seconds * -(-shards // replicas)
    while done < shards:
        due = next((pauses.pop(at) for at in sorted(pauses) if at <= done), 0.0)
        for _ in range(int(due)):
            clock += 1.0
            pace.see(clock, working=False, rows=done * ROWS, tokens=done * ROWS)
            if done:
                yield clock, pace.left((shards - done) * ROWS), whole - worked
        clock, worked = clock + 1.0, worked + 1.0
        done = min(shards, replicas * int(worked / seconds))
        pace.see(clock, working=True, rows=done * ROWS, tokens=done * ROWS)
        if done:
            yield clock, pace.left((shards - done) * ROWS), whole - worked


@settings(deadline=None)
@given(
    replicas=st.integers(1, 8),
    seconds=st.integers(1, 300),
    rounds=st.integers(3, 40),
    start=st.integers(0, 500),
)
def test_a_steady_run_is_foretold_from_the_first_shard_on(
    replicas: int, seconds: int, rounds: int, start: int
) -> None:
    """However long the models take to load; to the second, and one for each look."""
    for _, left, real in run(rounds * replicas, replicas, seconds, {0: start}):
        assert left is not None
        assert left == pytest.approx(real, rel=0.34 if seconds < 3 else 0.1, abs=seconds + 2)


@settings(deadline=None)
@given(seconds=st.integers(2, 60), pause=st.integers(1, 2_000), after=st.integers(1, 30))
def test_a_pause_without_replicas_changes_nothing(seconds: int, pause: int, after: int) -> None:
    """Between two waves, and while all replicas start again."""
    for _, left, real in run(40, 1, seconds, {0: 30, after: pause}):
        assert left is not None
        assert left == pytest.approx(real, rel=0.1, abs=seconds + 2)


def test_a_run_that_slows_down_is_seen_to() -> None:
    """Half of the replicas are lost: within minutes the time left is that of the others."""
    pace = Pace()
    for second in range(1, 1_000):
        pace.see(float(second), working=True, rows=20 * second, tokens=0)
    for second in range(1, 200):
        pace.see(999.0 + second, working=True, rows=19_980 + 10 * second, tokens=0)
    assert pace.left(10_000) == pytest.approx(1_000, rel=0.05)


def test_nothing_is_said_before_anything_is_done() -> None:
    pace = Pace()
    pace.see(1.0, working=True, rows=0, tokens=0)
    pace.see(100.0, working=True, rows=0, tokens=0)
    assert pace.left(10) is None
    assert pace.speed() == (0.0, 0.0)


def test_a_shard_that_takes_ever_longer_makes_the_speed_fall() -> None:
    pace = Pace()
    pace.see(0.0, working=True, rows=0, tokens=0)
    pace.see(10.0, working=True, rows=100, tokens=100)
    assert pace.speed()[0] == pytest.approx(10.0)
    pace.see(15.0, working=True, rows=100, tokens=100)
    assert pace.speed()[0] == pytest.approx(10.0)  # no longer than the first took
    pace.see(110.0, working=True, rows=100, tokens=100)
    assert pace.speed()[0] == pytest.approx(1.0)
