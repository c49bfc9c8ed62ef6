"""A run of the job `reinforce` as its tests look at it: metrics, checkpoints, a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from compressor.corpus.storage import Storage
from compressor.reinforce.config import ReinforceConfig
from compressor.schema import load
from compressor.train import checkpoint

ROOT = Path(__file__).parents[2]


def config_of(overrides: list[str]) -> ReinforceConfig:
    return load(ReinforceConfig, None, overrides)


def rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / "work" / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last(folder: Path) -> dict[str, Any]:
    """The last checkpoint of a run."""
    state = checkpoint.load(Storage.at(str(folder / "work"), key="output.work"))
    assert state is not None
    return state


def start_and_kill(overrides: list[str], folder: Path) -> None:
    """Let the job run in a process of its own for some steps, then SIGKILL it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.reinforce", *overrides], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while len(rows(folder)) < 6:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def assert_same_run(one: Path, other: Path) -> None:
    """The same weights, bit for bit, and the same metrics but for their times."""
    states = [last(folder) for folder in (one, other)]
    for part in ("policy", "best"):
        for name, value in states[0][part].items():
            assert value.equal(states[1][part][name]), (part, name)
    plain = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in rows(folder)]
        for folder in (one, other)
    ]
    assert plain[0] == plain[1]
