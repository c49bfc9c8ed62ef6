"""A job of many small shards in a process of its own, which says how its memory went.

    python -m tests.pipeline.grown SECTION.KEY=VALUE...

prints JSON: Python's own memory on the driver after each wave, and the resident memory of the
replica, in bytes, before each of its shards.
"""

import gc
import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from compressor.corpus.shards import Shards
from compressor.pipeline.replica import Replica
from compressor.pipeline.reuse import Memory
from compressor.pipeline.statistics import Statistics

LOG = "GROWN_LOG"
WAVE = "GROWN_WAVE"  # shards of a wave
MOST_REMEMBERED = 1 << 20  # bytes of results that a replica keeps, so that they are soon at most


def resident() -> int:
    """Bytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class WatchedReplica(Replica):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory = self._sources[-1] = Memory(MOST_REMEMBERED)

    def _do(self, index: int, table: pa.Table) -> tuple[pa.Table, Statistics]:
        with Path(os.environ[LOG]).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {resident()}\n")
        return super()._do(index, table)


def main() -> None:
    import ray

    from compressor.config import CompressConfig
    from compressor.pipeline import flow
    from compressor.pipeline.run import run
    from compressor.pipeline.waves import waves
    from compressor.schema import load

    driver: list[int] = []

    def watched(shards: Shards) -> Iterator[Shards]:
        for part in waves(shards, int(os.environ[WAVE])):
            yield part
            gc.collect()
            driver.append(tracemalloc.get_traced_memory()[0])

    vars(flow)["Replica"], vars(flow)["waves"] = WatchedReplica, watched
    ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    tracemalloc.start()
    rows = run(load(CompressConfig, None, sys.argv[1:])).summary["rows"]
    lines = [
        line.split() for line in Path(os.environ[LOG]).read_text(encoding="utf-8").splitlines()
    ]
    replicas: dict[str, list[int]] = {}
    for process, size in lines:
        replicas.setdefault(process, []).append(int(size))
    print(json.dumps({"rows": rows, "driver": driver, "replicas": list(replicas.values())}))


if __name__ == "__main__":
    main()
