"""One line that says how far the job is: redrawn on a terminal, every 30 s in a log.

Replicas and write tasks report to a `Tally` actor; a thread of the driver asks it and prints.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", bound=np.generic)
COUNTED = ("rows", "original_tokens", "compressed_tokens", "error")
TERMINAL_SECONDS, LOG_SECONDS = 1.0, 30.0
ERASE = "\r\x1b[2K"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is done so far, of `total` rows; `before` were done by an earlier run."""

    total: int
    before: int = 0
    rows: int = 0
    original_tokens: int = 0
    compressed_tokens: int = 0

    def line(self, seconds: float) -> str:
        """Rows, tokens a second, rate so far and the time that is left."""
        done = self.before + self.rows
        share = done / self.total if self.total else 1.0
        parts = [f"{done:,}/{self.total:,} rows ({share:.0%})"]
        if self.original_tokens:
            parts.append(f"{self.original_tokens / seconds:,.0f} tokens/s")
            parts.append(f"rate {self.compressed_tokens / self.original_tokens:.3f}")
        if self.rows:
            left = (self.total - done) * seconds / self.rows
            parts.append(f"ETA {clock(left)}")
        else:
            parts.append("starting")
        return " · ".join(parts)


class Tally:
    """Counts finished shards, each once however often a task is retried; and the attempts."""

    def __init__(self) -> None:
        self._shards = np.zeros((0, len(COUNTED)), np.int64)  # by index; room is made as it comes
        self._begun = np.zeros((0,), np.int16)
        self._sums = np.zeros(len(COUNTED), np.int64)

    def begin(self, index: int) -> int:
        """How often the shard was begun before."""
        self._begun = _with_room(self._begun, index)
        self._begun[index] += 1
        return int(self._begun[index]) - 1

    def add(self, index: int, statistics: Mapping[str, Any]) -> int:
        """Count a shard; returns how many rows have failed so far."""
        self._shards = _with_room(self._shards, index)
        now = np.array([statistics[name] for name in COUNTED], np.int64)
        self._sums += now - self._shards[index]
        self._shards[index] = now
        return int(self._sums[-1])

    def sums(self) -> tuple[int, int, int]:
        """Rows, original tokens, compressed tokens."""
        rows, original, compressed, _ = self._sums.tolist()
        return rows, original, compressed


def _with_room(column: npt.NDArray[Number], index: int) -> npt.NDArray[Number]:
    """The same for more indices, zero at first; twice as many, so that it is seldom copied."""
    lacking = index + 1 - len(column)
    if lacking <= 0:
        return column
    more = np.zeros((max(lacking, len(column)), *column.shape[1:]), column.dtype)
    return np.concatenate([column, more])


def start_tally() -> Any:
    """The actor, which needs no CPU of its own; it lives and dies with the driver's node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Tally).options(num_cpus=0, scheduling_strategy=here).remote()


def count_shard(tally: Any, index: int, statistics: Mapping[str, Any]) -> int:
    """Tell of a finished shard; returns how many rows have failed so far, as far as is known."""
    import ray

    told = tally.add.remote(index, statistics)
    if not statistics["error"]:
        return 0
    try:
        failed: int = ray.get(told)
    except ray.exceptions.RayError:
        return int(statistics["error"])
    return failed


def begin_shard(tally: Any, index: int) -> int:
    """How often the shard was begun before, as far as is known."""
    import ray

    try:
        before: int = ray.get(tally.begin.remote(index))
    except ray.exceptions.RayError:  # its node is gone, and what it knew
        return 0
    return before


@contextmanager
def shown(tally: Any, total: int, before: int, stream: TextIO | None = None) -> Iterator[None]:
    """Print the progress until the block ends."""
    import ray

    def line(seconds: float) -> str:
        rows, original, compressed = ray.get(tally.sums.remote(), timeout=10)
        return Progress(total, before, rows, original, compressed).line(seconds)

    with drawn(line, stream):
        yield


@contextmanager
def drawn(line: Callable[[float], str], stream: TextIO | None = None) -> Iterator[None]:
    """Print `line(seconds since the start)` again and again until the block ends."""
    import ray

    stream = stream or sys.stderr
    terminal = stream.isatty()
    stop = threading.Event()
    started = time.monotonic()

    def draw() -> None:
        text = line(max(time.monotonic() - started, 1e-9))
        stream.write(f"{ERASE}{text}" if terminal else f"{text}\n")
        stream.flush()

    def loop() -> None:
        while not stop.wait(TERMINAL_SECONDS if terminal else LOG_SECONDS):
            try:
                draw()
            except (ray.exceptions.RayError, OSError):  # never the job's concern
                continue

    thread = threading.Thread(target=loop, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if terminal:
            stream.write(ERASE)
            stream.flush()


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
