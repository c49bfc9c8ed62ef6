"""A contender in a process of its own, as its users would run it.

In one process they would share settings that change their speed: the engine's allocator settings
alone were measured to make `llmlingua` a third faster.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection

from compressor.benchmark.contenders import Contender, Skipped

Load = Callable[[], Contender | Skipped]


@contextmanager
def started(loads: Sequence[Load]) -> Iterator[list[Contender | Skipped]]:
    """Run each `load` (picklable) in a new process; what it loads there is driven from here."""
    context = multiprocessing.get_context("spawn")
    processes = []
    loaded: list[Contender | Skipped] = []
    try:
        for load in loads:
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, load), daemon=True)
            process.start()
            processes.append(process)
            there.close()
            answer = _answer(here)
            if isinstance(answer, Skipped):
                loaded.append(answer)
            elif answer is not None:
                loaded.append(Contender(*answer, partial(_ask, here)))
        yield loaded
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _ask(connection: Connection, texts: Sequence[str]) -> None:
    connection.send(list(texts))
    _answer(connection)


def _answer(connection: Connection) -> tuple[str, str] | Skipped | None:
    answer: tuple[str, str] | Skipped | Exception | None = connection.recv()
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
        while True:
            contender.run(connection.recv())
            connection.send(None)
    except EOFError:
        return
    except Exception as error:
        connection.send(error)
