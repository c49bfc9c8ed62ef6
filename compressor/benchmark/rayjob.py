"""The whole job on the texts, many times over. Input: texts; output: how long the job took.

The job runs as its users run it, in its own process. Two times: the wall clock from the command to
its end, and the span from the first row to the last, which leaves out the start of Ray and of the
replicas, a constant that a large corpus doesn't feel.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from compressor.benchmark.config import BenchmarkConfig
from compressor.errors import JobError

FILES = 4


@dataclass(frozen=True)
class JobTiming:
    """Seconds of each run, for so many rows and tokens."""

    rows: int
    tokens: int
    wall_seconds: tuple[float, ...]
    span_seconds: tuple[float, ...]

    @property
    def median_wall(self) -> float:
        return statistics.median(self.wall_seconds)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / statistics.median(self.span_seconds)


def time_job(
    config: BenchmarkConfig,
    texts: Sequence[str],
    *,
    tokens: int,
    scratch: Path,
    say: Callable[[str], None],
) -> JobTiming:
    """Run `compress` on the texts, `benchmark.job_repeat` times over; raises `JobError`."""
    repeat = config.benchmark.job_repeat
    source = scratch / "corpus"
    _write_corpus(source, list(texts) * repeat)
    walls, spans = [], []
    for number in range(config.benchmark.job_rounds):
        target = scratch / f"compressed-{number}"
        walls.append(_run(config, source, target, scratch / "job.yaml"))
        spans.append(_span(target))
        say(
            f"job {number + 1}/{config.benchmark.job_rounds}: {walls[-1]:.1f} s, of it the rows "
            f"{spans[-1]:.1f} s ({tokens * repeat / spans[-1]:,.0f} tokens/s)"
        )
    return JobTiming(len(texts) * repeat, tokens * repeat, tuple(walls), tuple(spans))


def _write_corpus(folder: Path, texts: list[str]) -> None:
    folder.mkdir()
    table = pa.table({"id": pa.array(range(len(texts)), pa.int64()), "text": texts})
    size = -(-len(texts) // FILES)
    for number in range(FILES):
        pq.write_table(table.slice(number * size, size), folder / f"{number}.parquet")


def _run(config: BenchmarkConfig, source: Path, target: Path, path: Path) -> float:
    """One run of the job; return its wall seconds."""
    sections = config.model_dump(include={"model", "compression", "cluster"})
    sections |= {"input": {"path": str(source)}, "output": {"path": str(target)}}
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    command = [sys.executable, "-m", "jobs.compress", "--config", str(path)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise JobError(f"the job compress ended with {done.returncode}: {last}")
    return time.perf_counter() - start


def _span(target: Path) -> float:
    """Seconds from the start of the first shard to the last file's last byte."""
    shards = pq.read_table(target / "_stats" / "shards.parquet").to_pylist()
    ends = {shard["file"]: (target / shard["file"]).stat().st_mtime for shard in shards}
    start = min(ends[shard["file"]] - shard["seconds"] for shard in shards)
    return float(max(ends.values()) - start)
