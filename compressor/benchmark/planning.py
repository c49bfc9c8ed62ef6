"""What a plan costs the driver over a simulated listing: `python -m compressor.benchmark.planning`.

A filesystem invents the listing and answers each footer with that of one real Parquet file; from
there on the code is that of the jobs: list, read footers, unify, cut, look up what is done. Each
size runs in a process of its own. Prints a Markdown table: shards, seconds, peak memory in MiB.
"""

import io
import resource
import subprocess
import sys
import time
from functools import cache
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.columns import text_columns
from compressor.corpus.plan import plan_corpus
from compressor.corpus.storage import Storage

SIZES = (1_000, 10_000, 100_000, 300_000, 1_000_000)
GROUPS, ROWS = 20, 32  # row groups of a file, rows of each: every group is a shard
PROTOCOL = "simulated"
KIBI = 1024


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


def measure(shards: int) -> tuple[float, float, float]:
    """Plan so many shards, and find the half that is left to do, as a rerun does.

    Returns seconds, and the peak of the process's memory after imports and at the end, in MiB.
    """
    fsspec.register_implementation(PROTOCOL, SimulatedFileSystem, clobber=True)
    storage = Storage.at(f"{PROTOCOL}://{shards // GROUPS}", key="input.path")
    parquet()
    before, started = _peak(), time.monotonic()
    plan = plan_corpus(
        storage, columns=text_columns("text"), rate_column=None, rows_per_shard=ROWS, recipe="-"
    )
    assert len(plan.shards) == shards
    left = plan.shards.without(shard.name for shard in plan.shards if shard.index % 2)
    assert len(left) == shards // 2
    return time.monotonic() - started, before, _peak()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBI


def main() -> None:
    if len(sys.argv) > 1:
        print(*measure(int(sys.argv[1])))
        return
    print("| shards | seconds | peak memory | of it the plan |\n|---|---|---|---|")
    for shards in SIZES:
        command = [sys.executable, "-m", "compressor.benchmark.planning", str(shards)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds, before, after = map(float, told.split())
        own = after - before
        print(f"| {shards:,} | {seconds:.1f} | {after:,.0f} MiB | {own:,.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
