"""What tests of several nodes share."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compressor.config import CompressConfig
from compressor.pipeline.run import run
from compressor.schema import load


def wait_until(true: Callable[[], bool], seconds: float, pause: float = 0.2) -> None:
    """Wait for what must happen; raises `TimeoutError` where it doesn't."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{true} is still false after {seconds} s")
        time.sleep(pause)


class Job(threading.Thread):
    """The job `compress` beside what happens to the nodes."""

    def __init__(self, source: Path, target: Path, *settings: str) -> None:
        super().__init__(daemon=True)
        self.target = target
        self._overrides = [f"input.path={source}", f"output.path={target}", *settings]
        self.outcome: Any = None

    def run(self) -> None:
        try:
            self.outcome = run(load(CompressConfig, None, self._overrides)).summary
        except Exception as error:
            self.outcome = error

    def written(self) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in self.target.glob("*.parquet")}

    def summary(self) -> dict[str, Any]:
        self.join(120)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert self.outcome, "the job hasn't ended"
        return dict(self.outcome)
