"""A job on a Ray whose metrics are exported, in a process of its own, and what was scraped.

    python -m tests.pipeline.measured FOLDER SECTION.KEY=VALUE...

One replica dies once in the middle. Writes JSON to `SCRAPED` in the folder, for Ray prints what it
likes: the `summary`, and in `scrapes` what HTTP requests to Ray's endpoint gave of our metrics,
one a second while the job ran and after its end.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from compressor.pipeline.replica import Replica
from compressor.pipeline.statistics import Statistics
from compressor.pipeline.tally import begin_shard

FOLDER, SCRAPED = "MEASURED_FOLDER", "scraped.json"
MORE = 4  # scrapes after the end


class DyingReplica(Replica):
    """Dies over the second shard that it gets, once in all processes."""

    def _do(self, index: int, table: pa.Table) -> tuple[pa.Table, Statistics]:
        folder = Path(os.environ[FOLDER])
        if (folder / "first").exists() and not (folder / "died").exists():
            (folder / "died").touch()
            begin_shard(self._tally, index)
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / "first").touch()
        return super()._do(index, table)


def scrape(port: int) -> str:
    """Our own metrics, of the many that Ray has."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines(keepends=True)
    return "".join(line for line in lines if "ray_compressor_" in line)


@contextmanager
def each_second(port: int, scrapes: list[str]) -> Iterator[None]:
    """Scrape until the block ends, and a few seconds longer: what is last counted must come."""
    ended = threading.Event()

    def loop() -> None:
        after = 0
        while after < MORE:
            after += ended.wait(1.0)
            with suppress(OSError):  # Ray's agent isn't there yet
                scrapes.append(scrape(port))
            if ended.is_set():
                time.sleep(1.0)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> None:
    import ray

    from compressor.config import CompressConfig
    from compressor.pipeline import flow
    from compressor.pipeline.run import run
    from compressor.schema import load

    os.environ[FOLDER] = sys.argv[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray.init(
        "local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        _metrics_export_port=port,
        _system_config={"metrics_report_interval_ms": 1000},  # 10 s otherwise
    )
    scrapes: list[str] = []
    vars(flow)["Replica"] = DyingReplica
    with each_second(port, scrapes):
        summary = run(load(CompressConfig, None, sys.argv[2:])).summary
    found = json.dumps({"summary": summary, "scrapes": scrapes})
    Path(sys.argv[1], SCRAPED).write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
