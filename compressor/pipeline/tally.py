"""What the workers of a run report to: an actor that counts finished shards, each of them once.

Input: replicas and write tasks tell of shards, and replicas that they are there; output: `Counts`
for whoever shows the progress, how often a shard was begun, and the metrics of the run.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from compressor.pipeline import metrics

Number = TypeVar("Number", bound=np.generic)
COUNTED = ("rows", "original_tokens", "compressed_tokens", "error", "ok", "empty")
STARTING, WORKING = "starting", "working"
BEAT_SECONDS = 2.0  # between two signs of life of a replica
GONE_SECONDS = 10.0  # without any, it has died or its node has


@dataclass(frozen=True, slots=True)
class Extent:
    """What a run has to do: `total` rows, of which earlier ones did `before`.

    replicas: that are wanted; bytes_per_row: of the input as it is stored.
    """

    total: int
    before: int = 0
    replicas: int = 0
    bytes_per_row: float = 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run has done so far, and the replicas that are `starting` and `working` now."""

    rows: int = 0
    original_tokens: int = 0
    compressed_tokens: int = 0
    errors: int = 0
    starting: int = 0
    working: int = 0


@dataclass(frozen=True, slots=True)
class Handle:
    """What workers get of the tally: the actor, and the labels of the run's metrics."""

    actor: Any
    extent: Extent
    labels: Mapping[str, str] = field(default_factory=dict)


class Tally:
    """Counts finished shards, each once however often a task is retried; and the attempts.

    With labels, what it counts goes into the run's metrics.
    """

    def __init__(
        self, extent: Extent | None = None, labels: Mapping[str, str] | None = None
    ) -> None:
        self._extent, self._labels = extent or Extent(0), labels
        self._shards = np.zeros((0, len(COUNTED)), np.int64)  # by index; room is made as it comes
        self._begun = np.zeros((0,), np.int16)
        self._sums = np.zeros(len(COUNTED), np.int64)
        self._seen: dict[str, tuple[float, str]] = {}
        self._record(metrics.PLANNED, self._extent.total)
        self._record(metrics.REPLICAS, self._extent.replicas, state="wanted")
        self._show()
        self._show_done()

    def begin(self, index: int) -> int:
        """How often the shard was begun before."""
        self._begun = _with_room(self._begun, index)
        self._begun[index] += 1
        before = int(self._begun[index]) - 1
        if before:
            self._record(metrics.RETRIES, 1)
        return before

    def add(
        self,
        index: int,
        statistics: Mapping[str, Any],
        measured: Mapping[str, Any] | None = None,
        size: int = 0,
    ) -> int:
        """Count a shard; returns how many rows have failed so far.

        measured: seconds that the replica took; size: bytes of its file.
        """
        self._shards = _with_room(self._shards, index)
        now = np.array([statistics[name] for name in COUNTED], np.int64)
        again = bool(self._shards[index].any())
        self._sums += now - self._shards[index]
        self._shards[index] = now
        if not again:  # a counter can't take back what it has
            self._record_shard(dict(zip(COUNTED, now.tolist(), strict=True)), measured or {}, size)
        return int(self._sums[COUNTED.index("error")])

    def present(self, replica: str, state: str) -> None:
        """A sign of life of a replica, which is `starting` or `working`."""
        self._seen[replica] = (time.monotonic(), state)

    def counts(self) -> Counts:
        """Where the run stands."""
        rows, original, compressed, errors, *_ = self._sums.tolist()
        recent = time.monotonic() - GONE_SECONDS
        self._seen = {name: seen for name, seen in self._seen.items() if seen[0] > recent}
        states = [state for _, state in self._seen.values()]
        self._show()
        starting, working = states.count(STARTING), states.count(WORKING)
        return Counts(rows, original, compressed, errors, starting, working)

    def _show(self) -> None:
        """Gauges are what they were last set to; the driver asks every second or so."""
        states = [state for _, state in self._seen.values()]
        for state in (STARTING, WORKING):
            self._record(metrics.REPLICAS, states.count(state), state=state)

    def _show_done(self) -> None:
        rows, original, compressed, *_ = self._sums.tolist()
        self._record(metrics.DONE, self._extent.before + rows)
        if original:
            self._record(metrics.RATE, compressed / original)

    def _record_shard(
        self, counted: Mapping[str, int], measured: Mapping[str, Any], size: int
    ) -> None:
        for status in ("ok", "empty", "error"):
            self._record(metrics.ROWS, counted[status], status=status)
        self._record(metrics.SHARDS, 1)
        self._record(metrics.SHARD_ROWS, counted["rows"])
        self._record(metrics.ORIGINAL_TOKENS, counted["original_tokens"])
        self._record(metrics.COMPRESSED_TOKENS, counted["compressed_tokens"])
        self._record(metrics.READ_BYTES, counted["rows"] * self._extent.bytes_per_row)
        self._record(metrics.WRITTEN_BYTES, size)
        self._record(metrics.QUEUE, measured.get("queue_seconds", 0.0))
        self._record(metrics.MODEL, measured.get("model_seconds", 0.0))
        self._record(metrics.BUSY, measured.get("seconds", 0.0))
        self._show_done()

    def _record(self, metric: metrics.Metric, value: float, **own: str) -> None:
        if self._labels is not None:
            metrics.record(metric, value, self._labels, **own)


def _with_room(column: npt.NDArray[Number], index: int) -> npt.NDArray[Number]:
    """The same for more indices, zero at first; twice as many, so that it is seldom copied."""
    lacking = index + 1 - len(column)
    if lacking <= 0:
        return column
    more = np.zeros((max(lacking, len(column)), *column.shape[1:]), column.dtype)
    return np.concatenate([column, more])


def start_tally(extent: Extent, output: str) -> Handle:
    """The actor, which needs no CPU of its own; it lives and dies with the driver's node.

    output: the URL of what is written, for the metrics' labels.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    context = ray.get_runtime_context()
    here = NodeAffinitySchedulingStrategy(context.get_node_id(), soft=False)
    labels = metrics.labels_of(context.get_job_id(), output)
    remote: Any = ray.remote(Tally).options(num_cpus=0, scheduling_strategy=here)
    return Handle(remote.remote(extent, labels), extent, labels)


def count_shard(
    tally: Handle,
    index: int,
    statistics: Mapping[str, Any],
    measured: Mapping[str, Any] | None = None,
    size: int = 0,
) -> int:
    """Tell of a finished shard; returns how many rows have failed so far, as far as is known."""
    import ray

    told = tally.actor.add.remote(index, statistics, measured, size)
    if not statistics["error"]:
        return 0
    try:
        failed: int = ray.get(told)
    except ray.exceptions.RayError:
        return int(statistics["error"])
    return failed


def begin_shard(tally: Handle, index: int) -> int:
    """How often the shard was begun before, as far as is known."""
    import ray

    try:
        before: int = ray.get(tally.actor.begin.remote(index))
    except ray.exceptions.RayError:  # its node is gone, and what it knew
        return 0
    return before
