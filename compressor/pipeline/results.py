"""What is known of each shard at the end of a job, wherever it was done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compressor.corpus.shards import Shard
from compressor.pipeline.statistics import Statistics

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the results are, and the content of `_stats/summary.json`."""

    output: str
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What is known of a shard that is done; `finished` is None where an earlier run did it."""

    shard: Shard
    statistics: Statistics
    finished: float | None  # seconds since the epoch

    @property
    def resumed(self) -> bool:
        return self.finished is None


def results_of(
    shards: Sequence[Shard], resumed: Mapping[str, Record], fresh: Mapping[int, Record]
) -> list[ShardResult]:
    """From the records of files that were there, by name, and what this run did, by index."""
    return [
        ShardResult(shard, Statistics.from_record(resumed[shard.name]["statistics"]), None)
        if shard.name in resumed
        else _fresh(shard, fresh[shard.index])
        for shard in shards
    ]


def devices(fresh: Mapping[int, Record]) -> list[str]:
    """Device and precision of the replicas of this run."""
    measured = (entry["measured"] for entry in fresh.values())
    return sorted({f"{entry['device']} {entry['dtype']}" for entry in measured if entry})


def _fresh(shard: Shard, entry: Record) -> ShardResult:
    measured = entry["measured"]
    statistics = Statistics.from_record(entry["statistics"], measured)
    return ShardResult(shard, statistics, measured.get("finished", 0.0))
