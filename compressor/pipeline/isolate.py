"""Rows that kill a process: compressed in a child, which is halved down to the rows to blame.

A text can take a process down in ways that Python can't catch (a fault in native code, memory).
The child loads the model and answers tables; when it dies over one, new children get its halves,
and a row that dies alone gets the status `error`. The parent only waits.

    python -m compressor.pipeline.isolate     # the child: work and tables on stdin and stdout
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import pyarrow as pa
from ray import cloudpickle

from compressor.errors import InputError, JobError
from compressor.pipeline.failure import CRASHED
from compressor.pipeline.rows import failed_rows
from compressor.pipeline.statistics import Statistics, total

if TYPE_CHECKING:
    from compressor.pipeline.replica import Work

LENGTH_BYTES = 8
BATCH_ROWS = 64  # asked for together: one row to blame costs seven children
MOST_DEATHS = 64  # of a shard: eight or nine rows to blame
READY = "ready"


class Isolation:
    """A child process and its successors, for one shard."""

    def __init__(self, work: "Work", loads: Callable[..., Any]) -> None:
        self._work, self._loads = work, loads
        self._child: subprocess.Popen[bytes] | None = None
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def compress(self, table: pa.Table) -> tuple[pa.Table, Statistics]:
        """Like `compress_table`; raises `JobError` where too many rows, or the model, kill it."""
        parts = [
            part
            for start in range(0, max(1, table.num_rows), BATCH_ROWS)
            for part in self._halved(table.slice(start, BATCH_ROWS))
        ]
        measured = total(statistics for _, statistics in parts)
        return pa.concat_tables(result for result, _ in parts), measured

    def _halved(self, table: pa.Table) -> list[tuple[pa.Table, Statistics]]:
        answer = self._ask(table)
        if not isinstance(answer, str):
            return [answer]
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise JobError(CRASHED)
        if table.num_rows == 1:
            reason = f"this text ends the process that compresses it ({answer})"
            return [failed_rows(table, self._work.columns, reason)]
        middle = table.num_rows // 2
        return [*self._halved(table.slice(0, middle)), *self._halved(table.slice(middle))]

    def _ask(self, table: pa.Table) -> tuple[pa.Table, Statistics] | str:
        """The answer of a child, or how it died."""
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _send(child.stdin, table)
            result, statistics = _receive(child.stdout)
        except (OSError, EOFError):
            return self._end()
        return result, statistics

    def _start(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "compressor.pipeline.isolate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            _send(self._child.stdin, (self._work, self._loads))
            said = _receive(self._child.stdout)
        except (OSError, EOFError):
            raise JobError(f"a replica's model can't be loaded again: {self._end()}") from None
        if said != READY:
            raise JobError(f"a replica's model can't be loaded again: {said}")
        return self._child

    def _end(self) -> str:
        """End the child, which may be dead already; says what it died of."""
        child, self._child = self._child, None
        if child is None:
            return "not started"
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what is in the buffer has no reader any more
                    continue
        try:
            code = child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """The child: load the model once, then a table in, a table out, until there are no more."""
    from compressor.pipeline.replica import load_patiently

    work, loads = _receive(source)
    try:
        compressor = load_patiently(loads, work.spec)
    except InputError as error:
        _send(sink, str(error))
        return
    _send(sink, READY)
    while True:
        try:
            table = _receive(source)
        except EOFError:
            return
        _send(sink, work.do(table, compressor))


def _send(sink: IO[bytes], value: Any) -> None:
    data = cloudpickle.dumps(value)  # type: ignore[no-untyped-call]
    sink.write(len(data).to_bytes(LENGTH_BYTES, "little") + data)
    sink.flush()


def _receive(source: IO[bytes]) -> Any:
    length = int.from_bytes(_exactly(source, LENGTH_BYTES), "little")
    return cloudpickle.loads(_exactly(source, length))


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data


if __name__ == "__main__":
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
