"""Replicas that write down what they do, and a job run with them in a process of its own.

    python -m tests.pipeline.counted SECTION.KEY=VALUE...

starts a Ray of four CPUs whose workers have `NODE_CACHE` as their cache, as if it were another
machine than the driver's, and prints the summary.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from compressor.pipeline.replica import Replica
from compressor.pipeline.statistics import Statistics

LOG = "COUNTED_LOG"
SECONDS = "COUNTED_SECONDS"  # that each shard takes at least
TOGETHER = "COUNTED_TOGETHER"  # how many replicas must be loaded before the first shard
NODE_CACHE = "NODE_CACHE"
PATIENCE_SECONDS = 120.0


def note(event: str) -> None:
    with Path(os.environ[LOG]).open("a", encoding="utf-8") as file:
        file.write(f"{event}\n")


def noted(log: Path, event: str) -> list[str]:
    """What follows the event in each of its lines."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line.partition(" ")[2] for line in lines if line.split()[0] == event]


class CountedReplica(Replica):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        note("loaded")

    def _do(self, index: int, table: pa.Table) -> tuple[pa.Table, Statistics]:
        note(f"begun {index}")
        end = time.monotonic() + PATIENCE_SECONDS
        while len(noted(Path(os.environ[LOG]), "loaded")) < int(os.environ.get(TOGETHER, "0")):
            if time.monotonic() > end:
                raise TimeoutError("the other replicas aren't loaded")
            time.sleep(0.1)
        time.sleep(float(os.environ.get(SECONDS, "0")))
        return super()._do(index, table)


def main() -> None:
    import ray

    from compressor.config import CompressConfig
    from compressor.pipeline import flow
    from compressor.pipeline.run import run
    from compressor.schema import load

    own = os.environ["COMPRESSOR_CACHE"]
    os.environ["COMPRESSOR_CACHE"] = os.environ[NODE_CACHE]
    ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    os.environ["COMPRESSOR_CACHE"] = own
    vars(flow)["Replica"] = CountedReplica
    print(json.dumps(run(load(CompressConfig, None, sys.argv[1:])).summary))


if __name__ == "__main__":
    main()
