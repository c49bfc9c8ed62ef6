"""Prometheus metrics of a run, through Ray's own: which there are, and `record`, which sets them.

Ray's agent on each node exports them with the prefix `ray_`, where `ray[default]` is installed;
elsewhere they cost nothing and go nowhere. What the tally records is counted once for each shard,
however often it was tried; what replicas and write tasks record are attempts, and Ray's labels
`NodeAddress` and `WorkerId` tell them apart.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

RUN, OUTPUT = "run", "output"  # Ray's id of the job, and the last part of output.path
SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
ROWS_OF_A_SHARD = (1.0, 16.0, 64.0, 256.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0)

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric without Ray's prefix; `labels` are those beside `run` and `output`.

    counted: `once` for each shard, by the tally, or for each `attempt`, where it happens.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()
    counted: Literal["once", "attempt"] = "once"


ROWS = Metric("compressor_rows_total", "counter", "rows written: ok, empty, error", ("status",))
ORIGINAL_TOKENS = Metric("compressor_original_tokens_total", "counter", "tokens of the input")
COMPRESSED_TOKENS = Metric("compressor_compressed_tokens_total", "counter", "tokens of the output")
READ_BYTES = Metric(
    "compressor_read_bytes_total", "counter", "of the input as stored, by the share of its rows"
)
WRITTEN_BYTES = Metric("compressor_written_bytes_total", "counter", "of the files written")
SHARDS = Metric("compressor_shards_total", "counter", "shards written")
RETRIES = Metric("compressor_shard_retries_total", "counter", "shards begun again after a crash")
QUEUE = Metric(
    "compressor_queue_seconds_total", "counter", "from the reading of shards to their replica"
)
MODEL = Metric("compressor_model_seconds_total", "counter", "that replicas were in the model")
BUSY = Metric("compressor_replica_seconds_total", "counter", "that replicas worked on shards")
SHARD_ROWS = Metric(
    "compressor_shard_rows", "histogram", "rows of a shard", boundaries=ROWS_OF_A_SHARD
)
RATE = Metric("compressor_rate_ratio", "gauge", "tokens of the output / of the input, so far")
PLANNED = Metric("compressor_planned_rows", "gauge", "rows that the output will have")
DONE = Metric("compressor_done_rows", "gauge", "rows that the output has, of earlier runs, too")
REPLICAS = Metric(
    "compressor_replicas", "gauge", "starting, working, and wanted (at most)", ("state",)
)
QUEUE_OF_A_SHARD = Metric(
    "compressor_shard_queue_seconds",
    "histogram",
    "a shard's wait for a replica",
    boundaries=SECONDS,
    counted="attempt",
)
MODEL_OF_A_SHARD = Metric(
    "compressor_shard_model_seconds",
    "histogram",
    "a shard's time in the model (not of `prune_shots`)",
    boundaries=SECONDS,
    counted="attempt",
)
WRITE_OF_A_SHARD = Metric(
    "compressor_shard_write_seconds",
    "histogram",
    "the writing of a shard's file",
    boundaries=SECONDS,
    counted="attempt",
)
REPLICA_TOKENS = Metric(
    "compressor_replica_tokens_total",
    "counter",
    "tokens of the input, by each replica",
    counted="attempt",
)

METRICS = (
    *(ROWS, ORIGINAL_TOKENS, COMPRESSED_TOKENS, READ_BYTES, WRITTEN_BYTES, SHARDS, RETRIES),
    *(QUEUE, MODEL, BUSY, SHARD_ROWS, RATE, PLANNED, DONE, REPLICAS),
    *(QUEUE_OF_A_SHARD, MODEL_OF_A_SHARD, WRITE_OF_A_SHARD, REPLICA_TOKENS),
)


def labels_of(run: str, url: str) -> dict[str, str]:
    """What all metrics of a run are labelled with; of the output's URL no more than its end.

    A URL may hold what isn't for everybody: user and password, folders, a signature.
    """
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2].rpartition("@")[2]
    return {RUN: run, OUTPUT: name}


def record(metric: Metric, value: float, labels: Labels, **own: str) -> None:
    """Add to a counter, set a gauge, or put an observation into a histogram.

    labels: `labels_of` the run; own: the metric's own labels.
    """
    instrument, tags = _instrument(metric), {**labels, **own}
    if metric.kind == "gauge":
        instrument.set(value, tags)
    elif metric.kind == "histogram":
        instrument.observe(value, tags)
    elif value > 0:  # Ray takes nothing else
        instrument.inc(value, tags)


@functools.cache
def _instrument(metric: Metric) -> Any:
    """One for each metric and process."""
    from ray.util.metrics import Counter, Gauge, Histogram

    keys = (RUN, OUTPUT, *metric.labels)
    if metric.kind == "histogram":
        return Histogram(metric.name, metric.about, list(metric.boundaries), keys)
    make = Counter if metric.kind == "counter" else Gauge
    return make(metric.name, metric.about, keys)
