"""From totals and speed to what is decided by: tokens, time, cost, worth, break-even.

In: bootstrap replicates of the totals and of the speed; out: figures with intervals. All figures of
a replicate come from the same draw, so that what depends on the same tokens moves together.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.corpus.shards import Shards
from compressor.estimate.cluster import Setting
from compressor.estimate.config import EstimateConfig
from compressor.estimate.sampling import Totals
from compressor.estimate.speed import Speed, replicates
from compressor.estimate.trial import Trial
from compressor.evaluate.statistics import interval
from compressor.pipeline.calibrate import SAMPLE_ROWS
from compressor.pipeline.waves import waves

Floats = npt.NDArray[np.float64]

DRIVER_SECONDS = 0.012  # of Ray's on the driver for each shard, whatever is in it; measured
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its interval; None where it can't be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Work:
    """What decides the time beside tokens: rows, shards, planning, and the sample's own rows."""

    rows: int
    sampled: int
    shards: Shards
    plan_seconds: float


def figures(
    config: EstimateConfig, setting: Setting, work: Work, totals: Totals, trial: Trial
) -> dict[str, Figure | None]:
    """All figures by name; None for a cost without a price and for what never pays."""
    estimate = config.estimate
    saved = totals.before - totals.after
    through = totals.before * totals.distinct
    time = times(config, setting, work, totals, trial)
    seconds = time.startup + time.calibrating + time.rows
    price = replica_hour(config, setting)
    cost = None if price is None else seconds / HOUR * setting.there * price
    worth = saved * config.output.price_per_million_tokens / 1e6
    pays = cost is not None and bool((worth > 0).all())
    values: Mapping[str, Floats | None] = {
        "original_tokens": totals.before,
        "compressed_tokens": totals.after,
        "rate": np.divide(
            totals.after, totals.before, out=np.ones(len(saved)), where=totals.before > 0
        ),
        "saved_tokens": saved,
        "tokens_per_second": np.divide(
            through, time.rows, out=np.zeros(len(saved)), where=through > 0
        ),
        "seconds": seconds,
        "cost": cost,
        "worth_per_use": worth,
        "break_even_uses": cost / worth if cost is not None and pays else None,
    }
    return {
        name: None if found is None else _figure(found, estimate.confidence)
        for name, found in values.items()
    }


@dataclass(frozen=True, slots=True)
class Times:
    """Parts of the wall clock from the command to its end, each float64 [1 + resamples], seconds.

    startup: with the plan and the end; calibrating: finding a threshold; rows: the rest.
    """

    startup: Floats
    calibrating: Floats
    rows: Floats


def times(
    config: EstimateConfig, setting: Setting, work: Work, totals: Totals, trial: Trial
) -> Times:
    """Each wave of shards loads the models anew, which is no more than a start from nothing."""
    here = Speed.measured(trial)
    token, shard = replicates(config, setting, trial, here)
    startup = config.estimate.startup_seconds
    startup = here.start if startup is None else startup
    starts = startup * sum(1 for _ in waves(work.shards)) + work.plan_seconds
    # One replica alone finds the threshold, faster than one of several: by what it took here.
    rows_more = min(SAMPLE_ROWS, work.rows) / max(1, min(SAMPLE_ROWS, work.sampled))
    slower = token / here.token if here.token else np.zeros(len(token))
    busy = totals.before * totals.distinct * token + len(work.shards) * shard
    busy = busy * uneven(work.shards, setting.there) / setting.there
    return Times(
        np.full(len(token), starts),
        trial.calibration * rows_more * slower,
        np.maximum(busy, DRIVER_SECONDS * len(work.shards)),
    )


def uneven(shards: Shards, replicas: int) -> float:
    """How much longer the last replica works than if rows could be shared out evenly; 1 or more.

    Each takes the next shard when it is done with one.
    """
    rows = shards.rows
    if replicas == 1 or not rows.sum():
        return 1.0
    until = [0] * replicas
    for size in rows.tolist():
        heapq.heapreplace(until, until[0] + size)
    return float(max(until) * replicas / rows.sum())


def replica_hour(config: EstimateConfig, setting: Setting) -> float | None:
    """The price of a replica for an hour; None where no price is set for what it runs on."""
    gpu, cpu = config.estimate.price_per_gpu_hour, config.estimate.price_per_cpu_hour
    if (gpu if setting.gpus else cpu) is None:
        return None
    return setting.gpus * (gpu or 0.0) + setting.cpus * (cpu or 0.0)


def _figure(values: Floats, confidence: float) -> Figure:
    bounds = interval(values[1:], confidence)
    return Figure(
        float(values[0]), min(bounds.low, float(values[0])), max(bounds.high, float(values[0]))
    )


def statuses(found: Sequence[str], rows: int) -> dict[str, int]:
    """Rows of each status in the corpus, as the sample has them."""
    return {
        name: round(rows * found.count(name) / max(1, len(found))) for name in sorted(set(found))
    }
