"""The log of a submitted job as it is written, and the exit code that the job ended with."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import click

from compressor.cli import INPUT_IS_WRONG, JOB_FAILED
from compressor.errors import JobError
from compressor.log import is_error
from compressor.submit.cluster import ENDED, Cluster, status_of
from compressor.submit.preflight import wait

BEGIN = "Running entrypoint for job "
END_SECONDS = 60.0  # the log may end a little before the job's state is known
LOST_SECONDS = 60.0  # without any answer of the cluster
AGAIN_SECONDS = 2.0


class LogPrinter:
    """Prints the job's lines: errors to stderr, all else to stdout.

    What Ray writes before the job begins is left out. A log may be fed again from its beginning,
    after `rewind`: what was printed isn't printed twice.
    """

    def __init__(self, write: Callable[[str, bool], None]) -> None:
        self._write = write
        self._begun = False
        self._seen = self._at = 0
        self._rest = ""

    def rewind(self) -> None:
        self._at = 0

    def feed(self, text: str) -> None:
        new = text[max(0, self._seen - self._at) :]
        self._at += len(text)
        self._seen = max(self._seen, self._at)
        *lines, self._rest = (self._rest + new).split("\n")
        for line in lines:
            self._line(line)

    def close(self) -> None:
        if self._rest:
            self._line(self._rest)
        self._rest = ""

    def _line(self, line: str) -> None:
        if self._begun:
            self._write(line, is_error(line))
        self._begun = self._begun or line.startswith(BEGIN)


def echo(line: str, is_error: bool) -> None:
    click.echo(line, err=is_error)


def follow(cluster: Cluster, identity: str, write: Callable[[str, bool], None] = echo) -> int:
    """Stream the log until the job has ended; returns its exit code.

    Raises `JobError` where the job was stopped, killed or couldn't start, and where the cluster is
    lost on the way.
    """
    printer = LogPrinter(write)
    lost_since: float | None = None
    while True:
        try:
            asyncio.run(_tail(cluster, identity, printer))
            job = cluster.get(identity)
            if status_of(job) in ENDED or (job := wait(cluster, identity, AGAIN_SECONDS)):
                break
            lost_since = None
        except KeyboardInterrupt:
            raise
        except Exception as error:  # the connection has many ways to break
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > LOST_SECONDS:
                raise JobError(
                    f"{cluster.shown}: doesn't answer any more; job {identity} may go on"
                ) from error
            time.sleep(AGAIN_SECONDS)
        printer.rewind()
    printer.close()
    return exit_code(job)


def exit_code(job: Any) -> int:
    """0, 1 or 2 as the job said. Raises `JobError` where it ended in another way."""
    status, code = status_of(job), job.driver_exit_code
    if status == "SUCCEEDED":
        return 0
    if code in (JOB_FAILED, INPUT_IS_WRONG):
        return int(code)
    if status == "STOPPED":
        raise JobError(f"job {job.submission_id} was stopped")
    if code is not None:
        raise JobError(f"job {job.submission_id}: its driver was killed (exit code {code})")
    lines = [line for line in (job.message or "no message").splitlines() if line.strip()]
    raise JobError(f"job {job.submission_id}: {lines[-1].strip()}")


async def _tail(cluster: Cluster, identity: str, printer: LogPrinter) -> None:
    async for text in cluster.client.tail_job_logs(identity):
        printer.feed(text)
