"""The real command, ended in the midst of asking; a rerun asks only what is missing."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compressor.corpus.storage import Storage
from compressor.distill.store import part_names, read_parts
from tests.distill.server import Model, teacher
from tests.distill.test_distill_job import corpus, distill, rows, sentence

__all__ = ["distill"]  # the fixture

CHUNKS, PLACES = 60, 4


def start(source: Path, target: Path, url: str) -> subprocess.Popen[str]:
    settings = [
        f"input.path={source}",
        f"output.path={target}",
        f"teacher.base_url={url}",
        "teacher.model=small",
        f"teacher.concurrency={PLACES}",
        "cluster.rows_per_shard=5",
    ]
    command = [sys.executable, "-m", "jobs.distill", *settings]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen in time"
        time.sleep(0.05)


def quiet(model: Model) -> Callable[[], bool]:
    """True once nothing was asked for a while."""
    last = [-1, time.monotonic()]

    def check() -> bool:
        if model.asked.total() != last[0]:
            last[:] = [model.asked.total(), time.monotonic()]
        return time.monotonic() - last[1] > 2 and model.at_once == 0

    return check


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_rerun_asks_only_what_is_missing(
    number: signal.Signals, tmp_path: Path, distill: Callable[..., Any]
) -> None:
    source = corpus(tmp_path / "in", [sentence(i) for i in range(CHUNKS)])
    target = tmp_path / "out"
    with teacher(delay=0.2) as (model, url):
        job = start(source, target, url)
        try:
            wait_for(lambda: model.asked.total() >= CHUNKS // 4, 120)
            job.send_signal(number)
            _, said = job.communicate(timeout=60)
        finally:
            job.kill()
        wait_for(quiet(model), 60)
        storage = Storage(str(target), {}, "output.path")
        stored = {
            request for _, part in read_parts(storage, part_names(storage)) for request in part
        }
        asked = model.asked.total()
        assert CHUNKS // 4 <= asked < CHUNKS
        if number == signal.SIGKILL:
            assert asked - len(stored) <= PLACES
        else:
            assert job.returncode == 128 + number
            assert asked == len(stored)  # those under way were waited for
            assert "finishing the requests under way" in said
            assert said.splitlines()[-1].startswith("stopped; ")
            assert f"asks the other {CHUNKS - asked}" in said

        model.delay = 0.0
        summary = distill(source, target, url)
        assert summary["asked"] == CHUNKS - len(stored)
        assert model.asked.total() == asked + CHUNKS - len(stored) <= CHUNKS + PLACES
        assert len(model.asked) == CHUNKS
        found = rows(target)
        assert {row["text"] for row in found} == {sentence(i) for i in range(CHUNKS)}
        assert {row["status"] for row in found} == {"ok"}
        assert len(found) == CHUNKS
