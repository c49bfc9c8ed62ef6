"""What a large corpus costs the driver, simulated: `python -m compressor.benchmark.planning`.

A filesystem invents the listing and answers each footer with that of one real Parquet file; from
there on the code is that of the jobs: list, read footers, unify, cut, look up what is done; then
enter what footers and write tasks say of each shard, sum it up, and write the table of shards and
a version's lineage to a real folder. Each size runs in a process of its own. Prints a Markdown
table: seconds and the process's peak memory after each part.
"""

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.columns import text_columns
from compressor.corpus.lineage import Published, read_shards_of, write_lineage
from compressor.corpus.plan import Plan, plan_corpus
from compressor.corpus.storage import Entry, Storage
from compressor.pipeline.findings import packed
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.results import Results
from compressor.pipeline.shard_table import write_shard_table
from compressor.pipeline.signals import signals
from compressor.pipeline.statistics import Statistics, rate_histogram
from compressor.pipeline.waves import SHARDS_PER_WAVE

Ints = npt.NDArray[np.int64]
SIZES = (1_000, 10_000, 100_000, 300_000, 1_000_000)
GROUPS, ROWS = 20, 32  # row groups of a file, rows of each: every group is a shard
SHARD_ROWS = 4096  # that the statistics of a shard speak of: the default of cluster.rows_per_shard
PROTOCOL = "simulated"
KIBI = 1024
MEASURED = {
    "model_seconds": 1.5,
    "seconds": 2.0,
    "model_tokens": 7200,
    "reused": 0,
    "duplicates": 0,
    "finished": 1.8e9,
    "device": "cpu",
    "dtype": "bfloat16",
}


@cache
def parquet() -> bytes:
    """A file as a corpus has them: a handful of columns, some row groups."""
    rows = GROUPS * ROWS
    names = ("id", "title", "url", "text", "language", "source", "license")
    table = pa.table({name: [f"{name} {row}" for row in range(rows)] for name in names})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROWS)
    return sink.getvalue()


class SimulatedFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """`simulated://N`: N Parquet files that are one."""

    protocol = PROTOCOL
    cachable = False

    def find(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:  # noqa: ARG002
        name, size = self._strip_protocol(path), len(parquet())
        return {
            f"{name}/day={number // 1000:04d}/part-{number:08d}.parquet": {
                "type": "file",
                "size": size,
                "ETag": f'"{number:032x}"',
            }
            for number in range(int(name))
        }

    def exists(self, path: str, **options: Any) -> bool:  # noqa: ARG002
        return path.endswith(".parquet")

    def cat_file(
        self,
        path: str,  # noqa: ARG002
        start: int | None = None,
        end: int | None = None,
        **options: Any,  # noqa: ARG002
    ) -> bytes:
        return parquet()[start:end]


def measure(shards: int) -> list[float]:
    """The seconds of each part and the memory's peak after it in MiB; before all, that of imports.

    Half of the shards are there already, as for a rerun.
    """
    fsspec.register_implementation(PROTOCOL, SimulatedFileSystem, clobber=True)
    storage = Storage.at(f"{PROTOCOL}://{shards // GROUPS}", key="input.path")
    parquet()
    told, started = [_peak()], time.monotonic()
    plan = plan_corpus(
        storage, columns=text_columns("text"), rate_column=None, rows_per_shard=ROWS, recipe="-"
    )
    assert len(plan.shards) == shards
    left = plan.shards.without(shard.name for shard in plan.shards if shard.index % 2)
    assert len(left) == shards // 2
    told += [time.monotonic() - started, _peak()]
    with tempfile.TemporaryDirectory() as folder:
        target = Storage.at(folder, key="output.path")
        for part in (_sum_up, _publish):
            started = time.monotonic()
            part(plan, target)
            told += [time.monotonic() - started, _peak()]
    return told


def _sum_up(plan: Plan, target: Storage) -> None:
    """What `compress` does with its results."""
    ledger = _entered(Ledger(len(plan.shards)))
    assert ledger.total().rows == len(plan.shards) * SHARD_ROWS
    write_shard_table(target, [Results(plan.shards, ledger)])


def _publish(plan: Plan, target: Storage) -> None:
    """What `refresh` writes beside, and reads the next time."""
    assert len(read_shards_of(target, _lineage(plan, target))) == len(plan.shards)


def _lineage(plan: Plan, target: Storage) -> str:
    ledger = _entered(Ledger(len(plan.shards), keep_records=True))
    entries = [Entry(file.path, file.size, file.version) for file in plan.files]
    return write_lineage(target, entries, [Published(plan.shards, ledger.bytes, ledger.records())])


def _entered(ledger: Ledger) -> Ledger:
    """Odd shards as footers say it, the others as write tasks do, wave after wave."""
    own = {"statistics": statistics(), "measured": MEASURED, "bytes": 1_000_000}
    record = json.dumps({"threshold": None, "statistics": statistics(), "findings": findings()})
    entry = json.dumps({**own, "findings": packed(findings())})
    for first in range(0, len(ledger), SHARDS_PER_WAVE):
        lines = [
            (at, record if at % 2 else f"{entry[:-1]}}}")  # each a string of its own, as they come
            for at in range(first, min(first + SHARDS_PER_WAVE, len(ledger)))
        ]
        for at, line in lines:
            if at % 2:
                ledger.resume(at, json.loads(line))
            else:
                ledger.add(at, json.loads(line))
    return ledger


@cache
def statistics() -> dict[str, Any]:
    """Of a shard whose records meet a rate of 0.5 as closely as words allow."""
    original, compressed = _tokens()
    counted = Statistics(
        rows=SHARD_ROWS,
        ok=SHARD_ROWS,
        original_tokens=int(original.sum()),
        compressed_tokens=int(compressed.sum()),
        rates=rate_histogram(original, compressed),
    )
    return counted.record()


@cache
def findings() -> dict[str, Any]:
    """Of the same shard."""
    original, compressed = _tokens()
    dice = np.random.default_rng(1)
    table = pa.table(
        {
            "text": ["In 1969 Ann and Bob did not walk 3 km to Rome."] * SHARD_ROWS,
            "compressed_text": ["1969 Ann Bob not walk 3 km"] * SHARD_ROWS,
            "original_tokens": original,
            "compressed_tokens": compressed,
            "status": ["ok"] * SHARD_ROWS,
            "error": pa.nulls(SHARD_ROWS, pa.string()),
        }
    )
    keys = dice.integers(0, 2**64, (SHARD_ROWS, 2), np.uint64)
    confidence = dice.beta(20, 5, SHARD_ROWS).astype(np.float32)
    return signals(table, f"part-00000-{0:016x}.parquet", text_columns("text"), keys, confidence)


def _tokens() -> tuple[Ints, Ints]:
    """Of each record before and after, int64 [SHARD_ROWS]."""
    original = np.random.default_rng(0).integers(50, 400, SHARD_ROWS)
    return original, (original * 0.5).astype(np.int64) - np.arange(SHARD_ROWS) % 3


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBI


def main() -> None:
    if len(sys.argv) > 1:
        print(*measure(int(sys.argv[1])))
        return
    print("| shards | plan | peak memory | results | peak memory | lineage | peak memory |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for shards in SIZES:
        command = [sys.executable, "-m", "compressor.benchmark.planning", str(shards)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        _, *parts = map(float, told.split())
        cells = [
            f"{seconds:.1f} s | {peak:,.0f} MiB"
            for seconds, peak in zip(parts[::2], parts[1::2], strict=True)
        ]
        print(f"| {shards:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
