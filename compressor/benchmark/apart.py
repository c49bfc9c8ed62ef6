"""A contender in a process of its own, as its users would run it.

In one process they would share settings that change their speed: the engine's allocator settings
alone were measured to make `llmlingua` a third faster. The clock runs there, too.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from compressor.benchmark.contender import Contender, Measured, Sample, Skipped
from compressor.benchmark.memory import gpu_peak, peak, wait_for_gpu
from compressor.errors import InputError, JobError

Load = Callable[[], Contender | Skipped]


class Remote:
    """A contender that was loaded in another process."""

    def __init__(self, connection: Connection, name: str, about: str) -> None:
        self.name, self.about = name, about
        self._connection = connection

    def ready(self, texts: Sequence[str]) -> None:
        """Hand over the texts that the next runs are about."""
        _ask(self._connection, list(texts))

    def run(self) -> Sample:
        """Time one run. Raises what it raised there."""
        sample: Sample = _ask(self._connection, None)
        return sample


@contextmanager
def started(loads: Sequence[Load]) -> Iterator[list[Remote | Skipped]]:
    """Run each `load` (picklable) in a new process; what it loads there is driven from here."""
    context = multiprocessing.get_context("spawn")
    processes, connections = [], []
    try:
        for load in loads:
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, load), daemon=True)
            process.start()
            processes.append(process)
            connections.append(here)
            there.close()
        answers = [(here, _answer(here)) for here in connections]
        yield [
            answer if isinstance(answer, Skipped) else Remote(here, *answer)
            for here, answer in answers
        ]
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _ask(connection: Connection, message: list[str] | None) -> Any:
    with suppress(OSError):  # a process that has died can't listen; nor will it answer
        connection.send(message)
    return _answer(connection)


def _answer(connection: Connection) -> Any:
    try:
        answer = connection.recv()
    except (EOFError, OSError):
        raise JobError("a contender's process died; is there enough memory for all?") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(connection: Connection, load: Load) -> None:
    try:
        contender = load()
        if isinstance(contender, Skipped):
            connection.send(contender)
            return
        connection.send((contender.name, contender.about))
        task = contender.ready([])
        while True:
            texts = connection.recv()
            if texts is not None:
                task = contender.ready(texts)
                connection.send(None)
            else:
                connection.send(timed(task))
    except EOFError:
        return
    except Exception as error:
        connection.send(_portable(error))


def timed(task: Callable[[], Measured | None]) -> Sample:
    """Run and clock it, the GPU's work included."""
    wait_for_gpu()
    start = time.perf_counter()
    found = task() or Measured()
    wait_for_gpu()
    taken = time.perf_counter() - start
    seconds = taken if found.seconds is None else found.seconds
    return Sample(seconds, peak(), gpu_peak(), found.details)


def _portable(error: Exception) -> Exception:
    """Many exceptions can't be sent to another process; their message can."""
    if isinstance(error, InputError):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
