"""The job itself on the sample: what it makes of each row, how fast, and what else takes time.

The engine alone would be too fast a witness: on a few cores the model shares them with Ray's
processes, and what a replica waits for isn't in it. So `compress` runs as its users run it, in a
process of its own, on a corpus of the sampled rows. It works on several shards, each of which is a
round of the measurement.
"""

import itertools
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from compressor.cli import INPUT_IS_WRONG
from compressor.config import (
    ClusterSection,
    CompressConfig,
    CompressSections,
    InputSection,
    OutputSection,
)
from compressor.corpus.columns import STATUS, TextColumn, text_columns
from compressor.errors import InputError, JobError
from compressor.models.resolve import absolute, resolve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDS = 8  # shards of a replica
SLIVERS = 2  # of a replica beside them: what a shard costs, whatever is in it
SLIVER = 16  # times smaller
PLACE = "__row"  # of a sampled row, through the job


@dataclass(frozen=True, slots=True)
class Trial:
    """One run over n rows, in k shards, by so many replicas.

    before, after: float64 [n], tokens of each row in the order that was given; status: of each;
    tokens, seconds, ends: float64 [k], tokens that went through the model in a shard, how long its
    replica took, and when it was done, in seconds since the epoch; calibration: seconds that
    finding a threshold took, 0 where there is none; wall: those from the command to its end;
    ran_on: device and precision.
    """

    before: Floats
    after: Floats
    status: list[str]
    replicas: int
    tokens: Floats
    seconds: Floats
    ends: Floats
    calibration: float
    wall: float
    ran_on: str


def run_trial(
    config: CompressSections, cluster: ClusterSection, rows: pa.Table, *, replicas: int, seed: int
) -> Trial:
    """Run `compress` on the rows with the `replicas` that `cluster` gives on this machine.

    Raises what the job raises: `InputError` or `JobError`.
    """
    order = np.random.default_rng(seed).permutation(len(rows))  # shards that are alike
    units = (ROUNDS + SLIVERS / SLIVER) * replicas
    size = min(max(1, math.ceil(len(rows) / units)), config.cluster.rows_per_shard)
    with tempfile.TemporaryDirectory(prefix="estimate") as scratch:
        folder = Path(scratch)
        (folder / "in").mkdir()
        mixed = rows.take(pa.array(order)).append_column(PLACE, pa.array(order))
        write_groups(mixed, folder / "in" / "rows.parquet", size)
        trial = _sections(config, cluster.model_copy(update={"rows_per_shard": size}), folder)
        wall = run_job(trial, folder / "compress.yaml")
        return _read(folder / "out", trial, replicas, wall)


def write_groups(rows: pa.Table, path: Path, size: int) -> None:
    """Row groups of `size`, behind every few of them a sliver: no two fit into one shard."""
    sizes = [size] * (ROUNDS // SLIVERS)
    if size >= SLIVER:
        sizes.append(size // SLIVER)
    with pq.ParquetWriter(path, rows.schema) as writer:
        for wanted in itertools.cycle(sizes):
            writer.write_table(rows.slice(0, wanted), row_group_size=wanted)
            rows = rows.slice(wanted)
            if not len(rows):
                return


def _sections(config: CompressSections, cluster: ClusterSection, folder: Path) -> CompressConfig:
    """The user's configuration over the sample. The model is there already: no credentials."""
    model = resolve(config.model.name, config.input.storage_options)
    counter = absolute(config.compression.tokenizer)
    return CompressConfig(
        input=InputSection(path=str(folder / "in"), text_column=config.input.text_column),
        output=OutputSection(path=str(folder / "out")),
        model=config.model.model_copy(update={"name": str(model.resolve())}),
        compression=config.compression.model_copy(update={"tokenizer": counter}),
        cluster=cluster,
    )


def run_job(config: CompressConfig, path: Path) -> float:
    """Run `compress` in a process of its own, its configuration written to `path`.

    Returns the seconds from the command to its end; raises `InputError` or `JobError` with the line
    that it ended with.
    """
    path.touch(mode=0o600)  # storage options may hold secrets
    path.write_text(yaml.safe_dump(config.model_dump()), encoding="utf-8")
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "jobs.compress", "--config", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - started
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("error: ")
        if done.returncode == INPUT_IS_WRONG:
            raise InputError(last)
        raise JobError(f"the job compress ended with {done.returncode}: {last}")
    return wall


def _read(target: Path, config: CompressConfig, replicas: int, wall: float) -> Trial:
    shards = pq.read_table(target / "_stats" / "shards.parquet")
    parts = [pq.read_table(target / name) for name in shards.column("file").to_pylist()]
    columns = text_columns(config.input.text_column)
    counts = [name for column in columns for name in _counts(column)]
    table = pa.concat_tables(part.select([PLACE, STATUS, *counts]) for part in parts).sort_by(PLACE)
    before, after = (
        np.sum([table.column(name).to_numpy().astype(float) for name in names], axis=0)
        for names in zip(*map(_counts, columns), strict=True)
    )
    summary = yaml.safe_load((target / "_stats" / "summary.json").read_text(encoding="utf-8"))
    share = summary["model_tokens"] / max(1, summary["original_tokens"])
    tokens, seconds, ends = (
        shards.column(name).to_numpy().astype(float)
        for name in ("original_tokens", "seconds", "finished")
    )
    return Trial(
        before,
        after,
        table.column(STATUS).to_pylist(),
        replicas,
        tokens * share,
        seconds,
        ends,
        summary["calibration_seconds"] or 0.0,
        wall,
        ", ".join(summary["model"]["ran_on"]),
    )


def _counts(column: TextColumn) -> tuple[str, str]:
    return column.original_tokens, column.compressed_tokens
