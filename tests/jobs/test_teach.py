"""README's chain distill -> train -> evaluate, each killed half-way and run again as it stands."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from compressor.corpus.demo import write_corpus
from compressor.corpus.storage import Storage
from compressor.distill.store import part_names, read_parts
from tests.distill.server import teacher
from tests.pages import README, ROOT, commands

PLACES = 4
# Less to do, where README's command would take minutes.
LESS = {
    "distill": [f"teacher.concurrency={PLACES}"],
    "train": ["training.epochs=1", "output.checkpoint_steps=5", "training.threads=1"],
    "evaluate": ["evaluate.rates=[0.5]"],
}


def chain(url: str) -> dict[str, list[str]]:
    """The three commands of README's section, with `url` for the server's."""
    section = README.read_text("utf-8").split("### The whole chain\n")[1].split("\n## ")[0]
    lines = [
        line for line in commands(README) if line.startswith("compressor ") and line in section
    ]
    parts = [shlex.split(re.sub(r"http://localhost:\d+/v1", url, line)) for line in lines]
    return {name: [name, *rest, *LESS[name]] for _, name, *rest in parts}


@contextmanager
def started(arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from compressor.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def kill_when(condition: Callable[[], bool], arguments: list[str], folder: Path) -> None:
    with started(arguments, folder) as process:
        end = time.monotonic() + 240
        while not condition():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "it didn't get there"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


def finish(arguments: list[str], folder: Path) -> str:
    with started(arguments, folder) as process:
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
def test_the_chain_of_the_readme_survives_a_kill_in_each_job(tmp_path: Path) -> None:
    write_corpus(tmp_path / "demo" / "corpus")
    for part in (1, 2, 3):  # less to do
        (tmp_path / "demo" / "corpus" / f"topics-{part}.parquet").unlink(missing_ok=True)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    with teacher(delay=0.2) as (model, url):
        jobs = chain(url)
        assert list(jobs) == ["distill", "train", "evaluate"]
        kill_when(lambda: model.asked.total() >= 12, jobs["distill"], tmp_path)
        time.sleep(3)  # workers that outlive their driver
        storage = Storage(str(tmp_path / "teacher"), {}, "output.path")
        stored = {name for _, part in read_parts(storage, part_names(storage)) for name in part}
        asked = model.asked.total()
        assert asked - len(stored) <= PLACES
        model.delay = 0.0
        finish(jobs["distill"], tmp_path)
        chunks = len(model.asked)
        assert model.asked.total() == asked + chunks - len(stored)
    table = pq.read_table(tmp_path / "teacher")
    assert len(table) >= chunks
    assert set(table["status"].to_pylist()) == {"ok"}

    log = tmp_path / "runs" / "mine" / "work" / "run-1" / "metrics.jsonl"
    kill_when(
        lambda: log.exists() and len(log.read_text().splitlines()) > 2, jobs["train"], tmp_path
    )
    said = finish(jobs["train"], tmp_path)
    assert "going on after step" in said
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert "going on after step" in finish(jobs["train"], tmp_path)  # finished: nothing to train

    cells = tmp_path / "evaluation" / "_cells"
    kill_when(
        lambda: cells.exists() and len(list(cells.glob("*.gz"))) > 3, jobs["evaluate"], tmp_path
    )
    before = {path.name: path.stat().st_mtime_ns for path in cells.glob("*.gz")}
    assert "stored" in finish(jobs["evaluate"], tmp_path)
    assert all((cells / name).stat().st_mtime_ns == at for name, at in before.items())
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert results["contenders"] == ["mine", "shipped", "random"]
