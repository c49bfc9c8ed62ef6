"""Kills and storage faults at random, each ended by a rerun: nothing lost, doubled or different.

Processes are only ever killed below the job that this test has started. `FAULT_RUNS` says how many
runs (60), `FAULT_SEED` repeats one campaign.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from jobs.verify import main as verify
from tests.pipeline.corpora import table
from tests.pipeline.faulty_s3 import Faults, faulty

pytestmark = pytest.mark.slow
RUNS = int(os.environ.get("FAULT_RUNS", "60"))
SEED = int(os.environ.get("FAULT_SEED", str(time.time_ns() % 10**6)))
SHARDS, ROWS = 40, 14
FAULT_RATE = 0.05
KINDS = ("driver", "raylet", "replica", "worker", "storage")
MOST_IN_FLIGHT = 4  # shards that a process which is killed may be about to write, or has just
LONGEST_WAIT = 25.0  # seconds from the start to a kill: from planning to the last shards
LONGEST_WORK = 6.0  # seconds from the first shard to a kill
SHARE_AMID_SHARDS = 0.75  # of the runs; the others are hit at any time


class Corpus:
    """A bucket with an input, behind the proxy, and what an undisturbed run makes of it."""

    def __init__(self, options: dict[str, Any], url: str, model: Path) -> None:
        self.filesystem = fsspec.filesystem("s3", **options)  # past the proxy
        self.options = yaml.safe_dump({**options, "endpoint_url": url}, default_flow_style=True)
        self.model = model
        self.bucket = f"faults-{os.urandom(4).hex()}"
        self.filesystem.mkdir(self.bucket)
        for number in range(4):
            rows = range(number * 10 * ROWS, (number + 1) * 10 * ROWS)
            with self.filesystem.open(f"{self.bucket}/in/{number}.parquet", "wb") as sink:
                pq.write_table(table(rows), sink, row_group_size=ROWS)

    def start(self, output: str) -> subprocess.Popen[str]:
        command = [
            *(sys.executable, "-m", "jobs.compress", "output.format=delta"),
            f"input.path=s3://{self.bucket}/in",
            f"output.path=s3://{self.bucket}/{output}",
            f"input.storage_options={self.options}",
            f"output.storage_options={self.options}",
            f"model.name={self.model}",
            f"cluster.rows_per_shard={ROWS}",
        ]
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def finish(self, output: str) -> None:
        process = self.start(output)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said

    def contents(self, output: str) -> dict[str, bytes]:
        self.filesystem.invalidate_cache()
        names = self.filesystem.glob(f"{self.bucket}/{output}/*.parquet")
        return {name.rpartition("/")[2]: self.filesystem.cat_file(name) for name in names}

    def times(self, output: str) -> dict[str, Any]:
        self.filesystem.invalidate_cache()
        found = self.filesystem.glob(f"{self.bucket}/{output}/*.parquet", detail=True)
        return {name: info["LastModified"] for name, info in found.items()}


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults(SEED)


@pytest.fixture(scope="module")
def corpus(s3_server: str, tiny_model: Path, faults: Faults) -> Iterator[Corpus]:
    with faulty(s3_server, faults) as url:
        options = {"endpoint_url": s3_server, "key": "test", "secret": "test"}
        corpus = Corpus(options, url, tiny_model)
        corpus.finish("undisturbed")
        yield corpus


@pytest.mark.parametrize("run", range(RUNS))
def test_nothing_lost_doubled_or_different(run: int, corpus: Corpus, faults: Faults) -> None:
    dice = random.Random(f"{SEED} {run}")
    kinds = dice.choices(KINDS, k=dice.randint(1, 3))
    print(f"FAULT_SEED={SEED} run {run}: {kinds}")
    output = f"out-{run}"
    parts = f"/{corpus.bucket}/{output}/part-"
    faults.rate = FAULT_RATE if "storage" in kinds else 0.0
    process = corpus.start(output)
    if dice.random() < SHARE_AMID_SHARDS:
        wait_for(process, lambda: any(path.startswith(parts) for path in list(faults.written)))
        longest = LONGEST_WORK
    else:
        longest = LONGEST_WAIT
    for kind in kinds:
        wait(process, dice.uniform(0, longest / len(kinds)))
        if kind != "storage":
            kill(process, kind, dice)
    try:
        process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        end(process)
    faults.rate = 0.0
    before = corpus.times(output)

    corpus.finish(output)

    after = corpus.times(output)
    assert all(after[name] == at for name, at in before.items()), "a finished shard was done again"
    writes = sum(times for path, times in faults.written.items() if path.startswith(parts))
    print(f"{len(before)} of {SHARDS} shards there before the rerun, {writes} writes")
    assert writes - SHARDS <= MOST_IN_FLIGHT * len(kinds)
    assert corpus.contents(output) == corpus.contents("undisturbed")
    result = CliRunner().invoke(
        verify,
        [
            f"s3://{corpus.bucket}/{output}",
            f"input.storage_options={corpus.options}",
            f"output.storage_options={corpus.options}",
        ],
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{SHARDS * ROWS} rows in {SHARDS} files")


def wait(process: subprocess.Popen[str], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.1)


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    while not condition() and process.poll() is None:
        time.sleep(0.05)


def kill(process: subprocess.Popen[str], kind: str, dice: random.Random) -> None:
    """SIGKILL the job, or a process below it; nothing where there is none of this kind (yet)."""
    if process.poll() is not None:
        return
    driver = psutil.Process(process.pid)
    below = descendants(driver)
    if kind == "driver":
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for left in below:  # Ray's own watchers do this, later
            kill_one(left)
        return
    marks = {"raylet": "raylet/raylet", "replica": "MapWorker", "worker": "ray::"}
    found = [one for one in below if marks[kind] in command_of(one)]
    if found:
        kill_one(dice.choice(found))


def end(process: subprocess.Popen[str]) -> None:
    below = descendants(psutil.Process(process.pid))
    process.kill()
    process.wait()
    for left in below:
        kill_one(left)


def descendants(driver: psutil.Process) -> list[psutil.Process]:
    try:
        return list(driver.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def kill_one(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.Error:
        return
