"""Threads that run a batch each, on one core each.

On a CPU they are quicker than all cores on one batch: nobody waits for the slowest part of each
operation, and what isn't parallel in one batch is so in several.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from compressor.engine.forward.pending import Floats, Margins, Pending


class Workers:
    """As many threads as the caller may use. Margins are said to take their share of the time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="forward")
        threads = torch.get_num_threads()
        ready = threading.Barrier(count)
        for started in [self._pool.submit(_on_one_core, ready) for _ in range(count)]:
            started.result()
        torch.set_num_threads(threads)  # for threads to come, which take over what was set last

    def start(self, work: Callable[[], Floats]) -> Pending:
        """Let the next free worker do it."""
        done: Future[Margins] = self._pool.submit(self._timed, work)
        return done.result

    def _timed(self, work: Callable[[], Floats]) -> Margins:
        started = time.perf_counter()
        return Margins(work(), (time.perf_counter() - started) / self._count)


def _on_one_core(ready: threading.Barrier) -> None:
    # With its first operation a thread takes over the number of threads that was set last.
    torch.zeros(1 << 16).add_(1)
    torch.set_num_threads(1)
    ready.wait()  # so that each thread gets one of these calls
