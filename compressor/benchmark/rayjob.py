"""The whole job on a corpus made of the texts. Input: texts; output: how long the job took.

The job runs as its users run it, in its own process. Two times: the wall clock from the command to
its end, and the span from the first row to the last, which leaves out the start of Ray and of the
replicas, a constant that a large corpus doesn't feel.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.distinct import distinct
from compressor.benchmark.processes import Peaks, watched
from compressor.config import CompressConfig, InputSection, OutputSection
from compressor.errors import JobError

FILES = 4  # at least
ROWS_PER_GROUP = 4096
ROWS_PER_FILE = 8 * ROWS_PER_GROUP


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run: tokens that went through the model, seconds in all and from first to last row.

    model_seconds, replica_seconds: of all replicas' forward passes, and of all their work.
    """

    rows: int
    shards: int
    tokens: int
    wall: float
    span: float
    model_seconds: float
    replica_seconds: float
    peaks: Peaks

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.span


@dataclass(frozen=True, slots=True)
class JobTiming:
    """The runs of one job, and the engine's tokens/s in the minute before each, where measured."""

    runs: tuple[JobRun, ...]
    engine: tuple[float, ...] = ()

    @property
    def median_wall(self) -> float:
        return statistics.median(run.wall for run in self.runs)

    @property
    def tokens_per_second(self) -> float:
        return statistics.median(run.tokens_per_second for run in self.runs)

    @property
    def share_of_engine(self) -> float | None:
        """Median over the runs: a machine that slows down meets both alike."""
        if not self.engine:
            return None
        pairs = zip(self.runs, self.engine, strict=True)
        return statistics.median(run.tokens_per_second / engine for run, engine in pairs)


def time_job(
    config: BenchmarkConfig,
    source: Path,
    *,
    say: Callable[[str], None],
    engine: Callable[[], float] | None = None,
) -> JobTiming:
    """Run `compress` on the corpus `benchmark.job_rounds` times; raises `JobError`.

    `engine` measures the engine's tokens/s, before each run.
    """
    runs, speeds = [], []
    for number in range(config.benchmark.job_rounds):
        if engine is not None:
            speeds.append(engine())
        target = source.with_name(f"{source.name}-compressed")
        shutil.rmtree(target, ignore_errors=True)
        runs.append(run_job(config, source, target))
        say(f"job {number + 1}/{config.benchmark.job_rounds}: {said(runs[-1])}")
    return JobTiming(tuple(runs), tuple(speeds))


def said(run: JobRun) -> str:
    """A run in one line."""
    return (
        f"{run.rows:,} rows, {run.wall:.1f} s, of it the rows {run.span:.1f} s "
        f"({run.tokens_per_second:,.0f} tokens/s)"
    )


def write_corpus(folder: Path, texts: Sequence[str], rows: int) -> Path:
    """So many rows, no two texts alike, in files of about equal size; one at a time in memory."""
    folder.mkdir(parents=True)
    rest, size = distinct(texts, rows), min(ROWS_PER_FILE, -(-rows // FILES))
    for number, first in enumerate(range(0, rows, size)):
        some = list(islice(rest, size))
        table = pa.table(
            {"id": pa.array(range(first, first + len(some)), pa.int64()), "text": some}
        )
        pq.write_table(table, folder / f"{number:05d}.parquet", row_group_size=ROWS_PER_GROUP)
    return folder


def job_config(config: BenchmarkConfig, source: Path, target: Path) -> CompressConfig:
    """What the job `compress` is told."""
    return CompressConfig(
        input=InputSection(path=str(source)),
        output=OutputSection(path=str(target)),
        model=config.model,
        compression=config.compression,
        cluster=config.cluster,
    )


def run_job(config: BenchmarkConfig, source: Path, target: Path) -> JobRun:
    """Run the job `compress` once; raises `JobError` where it fails."""
    path = target.with_suffix(".yaml")
    sections = job_config(config, source, target).model_dump()
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    command = [sys.executable, "-m", "jobs.compress", "--config", str(path)]
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        with watched(process.pid) as peaks:
            _, said_last = process.communicate()
        wall = time.perf_counter() - start
    if process.returncode:
        last = (said_last.strip().splitlines() or ["no message"])[-1]
        raise JobError(f"the job compress ended with {process.returncode}: {last}")
    return _run_of(target, wall, peaks())


def _run_of(target: Path, wall: float, peaks: Peaks) -> JobRun:
    summary = json.loads((target / "_stats" / "summary.json").read_text(encoding="utf-8"))
    shards = pq.read_table(target / "_stats" / "shards.parquet").to_pylist()
    return JobRun(
        rows=summary["rows"],
        shards=len(shards),
        tokens=summary["model_tokens"],
        wall=wall,
        span=_span(target, shards),
        model_seconds=summary["model_seconds"],
        replica_seconds=sum(shard["seconds"] for shard in shards),
        peaks=peaks,
    )


def _span(target: Path, shards: Sequence[dict[str, Any]]) -> float:
    """Seconds from the start of the first shard to the last file's last byte."""
    ends = {shard["file"]: (target / shard["file"]).stat().st_mtime for shard in shards}
    start = min(ends[shard["file"]] - shard["seconds"] for shard in shards)
    return float(max(ends.values()) - start)
