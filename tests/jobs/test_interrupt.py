"""Ctrl-C and SIGTERM: one line, the exit codes of a shell, nothing lost; a second one ends it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pyte
import pytest

from tests.pipeline.corpora import table, write_files

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0
ROWS = 600
# Ends in order when it is told to, which takes it a minute.
SLOW_TO_END = """
import time
from compressor.cli import job
from compressor.report.config import InspectConfig

@job(InspectConfig, "slow", "Is slow.")
def main(config):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("ending", flush=True)
        time.sleep(0 if config.input.path == "quick" else 60)

main()
"""


def start(path: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END, f"input.path={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_a_job_in_order(number: signal.Signals) -> None:
    process = start("quick")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out, said) == (128 + number, "ending\n", "stopped\n")


def test_the_second_signal_ends_it_at_once() -> None:
    process = start("slow")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ending\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)  # without the second it would take a minute
    assert (process.returncode, said) == (143, "")


@dataclass
class OnTerminal:
    """A process whose terminal is ours: what it has written, and what that looks like."""

    command: list[str]
    written: bytes = b""
    screen: pyte.Screen = field(default_factory=lambda: pyte.Screen(100, 24))

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="24")
            os.execv(sys.executable, [sys.executable, *self.command])

    def read_until(self, condition: Callable[[], bool]) -> None:
        """Read on until the condition holds, or to the end."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, self.lines()
            if not select.select([self._terminal], [], [], 0.1)[0]:
                continue
            try:
                some = os.read(self._terminal, 65_536)
            except OSError:  # Linux's way of telling that nobody writes any more
                return
            self.written += some
            self._stream.feed(some)

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def wait(self) -> int:
        self.read_until(lambda: False)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])


def test_ctrl_c_on_a_terminal_and_then_the_same_command(tmp_path: Path, tiny_model: Path) -> None:
    """In the middle of a job that is drawn; what it did is done, and the rest is done once."""
    source = write_files(tmp_path / "in", [table(range(ROWS))], group=10)
    target = tmp_path / "out"
    command = [
        *("-m", "jobs.compress", f"input.path={source}", f"output.path={target}"),
        *(f"model.name={tiny_model}", "cluster.rows_per_shard=10", "cluster.replicas=1"),
    ]
    job = OnTerminal(command)
    shown: list[str] = []

    def some_are_done() -> bool:
        shown[:] = job.lines()
        return len(shown) == 2 and "tokens/s" in shown[1] and "ETA" in shown[0]

    job.read_until(some_are_done)
    assert job.screen.cursor.hidden
    job.press(b"\x03")
    pressed = time.monotonic()
    assert job.wait() == 130
    assert time.monotonic() - pressed < 30  # 2 s where the machine has nothing else to do

    assert re.search(rf"\d+/{ROWS:,} rows \(\d+%\) · ETA \d+:\d\d", shown[0]), shown
    assert re.search(r"tokens/s · rate 0\.\d+ · errors 0 · replicas 1/1", shown[1]), shown
    (line,) = job.lines()  # nothing else is left on the terminal
    found = re.fullmatch(
        rf"stopped: (\d+) of {ROWS:,} rows are done and kept; the same command does the rest", line
    )
    assert found, line
    assert not job.screen.cursor.hidden
    done = {path.name: path.stat().st_mtime_ns for path in target.glob("*.parquet")}
    assert 0 < int(found[1]) <= 10 * len(done) < ROWS
    assert not (target / "_tmp").exists()
    assert not (target / "_stats" / "summary.json").exists()

    again = subprocess.run(
        [sys.executable, *command, "--log-format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert all((target / name).stat().st_mtime_ns == at for name, at in done.items())
    assert sorted(pq.read_table(target)["id"].to_pylist()) == list(range(ROWS))
    events = [json.loads(line) for line in again.stderr.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        "started",
        "finished",
    ]
    assert f"rows        {ROWS:,} ({ROWS:,} ok, 0 empty, 0 error)" in again.stdout
