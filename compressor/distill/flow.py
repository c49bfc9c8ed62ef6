"""The Ray part of the job: tasks over the shards, the gate that they share, and when to stop."""

import itertools
import math
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import ray

from compressor.corpus.shards import Shard
from compressor.distill.config import TeacherSection
from compressor.distill.limits import INTERRUPTED, Counts, Limits, Stop, Usage
from compressor.distill.progress import asking_line
from compressor.distill.quality import select
from compressor.distill.records import Verdicts
from compressor.distill.tasks import Context, Unit, ask, assemble, publish, survey
from compressor.errors import InputError
from compressor.interrupt import SIGNALS, tell
from compressor.log import note
from compressor.pipeline.progress import drawn
from compressor.pipeline.resources import IO_TASK_CPUS

MOST_RESTARTS = 2  # of a task whose process died
PLACES_PER_TASK = 32  # requests that one process handles with ease
QUEUED_TASKS = 64  # submitted at a time
MOST_WAITING = 100_000  # calls of the gate, all of which may be waiting
POLL_SECONDS = 0.5
CONNECT_SECONDS = 10.0


def survey_all(context: Context, units: Sequence[Unit]) -> list[list[str]]:
    """The requests of each shard."""
    found: dict[int, list[list[str]]] = {}
    with drawn(lambda _: f"counting chunks: {len(found):,}/{len(units):,} parts of the input"):
        found.update(_spread(survey, [(context, unit) for unit in units], num_cpus=1))
    return [requests for index in range(len(units)) for requests in found[index]]


def ask_missing(
    context: Context,
    units: Sequence[Unit],
    wanted: Sequence[frozenset[str]],
    total: int,
    spent: Usage,
) -> tuple[Stop | None, int]:
    """Ask what is wanted of each shard; returns why not all of it was asked (or None), and how many
    chunks were.

    `total`: chunks of the whole corpus; `spent`: by earlier runs. The first SIGINT or SIGTERM ends
    the asking, the requests under way are still waited for.
    """
    teacher = context.config.teacher
    if context.config.cluster.address is None:
        check_reachable(teacher)
    gate = _start_gate(teacher, spent)
    left = iter(wanted)
    calls = [(context, unit, list(itertools.islice(left, len(unit))), gate) for unit in units]
    calls = [call for call in calls if any(call[2])]
    tasks = min(len(calls), max(2, math.ceil(teacher.concurrency / PLACES_PER_TASK)))
    before = total - sum(map(len, wanted))
    prices = teacher.prices

    def line(seconds: float) -> str:
        counts: Counts = ray.get(gate.counts.remote(), timeout=10)
        return asking_line(counts, total, before, prices, seconds)

    def stop() -> None:
        message = "finishing the requests under way; interrupt again to end at once"
        note("stopping", message)
        gate.stop.remote(INTERRUPTED, "stopped")

    with drawn(line), _first_signal() as interrupted:
        for _ in _spread(
            ask, calls, num_cpus=IO_TASK_CPUS, at_once=tasks, interrupted=interrupted, stop=stop
        ):
            pass
    counts, stopped = ray.get([gate.counts.remote(), gate.why_stopped.remote()])
    return stopped, counts.answered


def write_all(
    context: Context,
    units: Sequence[Unit],
    requests: Sequence[Sequence[str]],
    parts: Mapping[str, str],
    given_up: set[str],
) -> tuple[list[Verdicts], int]:
    """Judge, measure and select all that has a reply, and write a file for each shard.

    Returns what is known of the rows of each shard, and how many rows are selected.
    """
    left = iter(requests)
    of_unit = [list(itertools.islice(left, len(unit))) for unit in units]
    places = [[sorted({parts[n] for n in names if n in parts}) for names in own] for own in of_unit]
    calls = [(context, unit, own, at) for unit, own, at in zip(units, of_unit, places, strict=True)]
    with drawn(lambda _: "judging replies, writing the dataset"):
        rows: dict[int, Any] = {}
        verdicts: dict[int, list[Verdicts]] = {}
        for index, (found, tables) in _spread(assemble, calls, num_cpus=1, num_returns=2):
            verdicts[index], rows[index] = ray.get(found), tables
        flat = [verdict for index in range(len(units)) for verdict in verdicts[index]]
        chosen = _select(context, flat)
        of_shard = iter(chosen)
        outputs = []
        for index, (unit, own) in enumerate(zip(units, of_unit, strict=True)):
            whole = [all(n in parts and n not in given_up for n in names) for names in own]
            shards: list[Shard] = [shard for shard, _ in unit]
            selected = list(itertools.islice(of_shard, len(unit)))
            outputs.append((context, shards, rows.pop(index), selected, whole))
        for _ in _spread(publish, outputs, num_cpus=IO_TASK_CPUS):
            pass
    return flat, sum(int(one.sum()) for one in chosen)


def check_reachable(teacher: TeacherSection) -> None:
    """Somebody must listen at the teacher's address; behind a proxy that can't be known."""
    if urllib.request.getproxies():
        return
    parts = urlsplit(teacher.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"teacher.base_url: {teacher.base_url}: nobody answers there: {error.strerror or error}"
        ) from None


def _start_gate(teacher: TeacherSection, spent: Usage) -> Any:
    """The actor, which needs no CPU of its own."""
    actor: Any = ray.remote(Limits)
    return actor.options(num_cpus=0, max_concurrency=MOST_WAITING).remote(teacher, spent)


def _select(context: Context, verdicts: Sequence[Verdicts]) -> list[np.ndarray[Any, Any]]:
    """The choice for each shard, made over the whole corpus."""
    quality = context.config.quality
    chosen = select(
        [one for verdict in verdicts for one in verdict.qualities],
        variation_share=quality.variation_share,
        gap_share=quality.gap_share,
    )
    bounds = np.cumsum([len(verdict.qualities) for verdict in verdicts])[:-1]
    return list(np.split(chosen, bounds))


def _spread(
    call: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    num_cpus: float,
    num_returns: int = 1,
    at_once: int = QUEUED_TASKS,
    interrupted: threading.Event | None = None,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Any]]:
    """Run a task for each tuple of arguments; yield (its index, its result), as they end.

    Of several returns the references come. `stop` is called once when `interrupted` is set.
    """
    task = ray.remote(num_cpus=num_cpus, num_returns=num_returns, max_retries=MOST_RESTARTS)(call)
    waiting = iter(enumerate(arguments))
    running: dict[Any, tuple[int, Any]] = {}
    told = False
    try:
        while True:
            for index, own in itertools.islice(waiting, at_once - len(running)):
                result = task.remote(*own)
                first = result if num_returns == 1 else result[0]
                running[first] = (index, result)
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
            if interrupted is not None and interrupted.is_set() and not told:
                stop()
                told = True
            for reference in done:
                index, result = running.pop(reference)
                value = ray.get(reference)  # raises what the task raised
                yield index, value if num_returns == 1 else result
    finally:
        for reference in running:
            ray.cancel(reference)


@contextmanager
def _first_signal() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second raises `KeyboardInterrupt`."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def on_signal(number: int, _: object) -> None:
        tell(number)
        came.set()
        for own in SIGNALS:
            signal.signal(own, signal.default_int_handler)

    before = [signal.signal(number, on_signal) for number in SIGNALS]
    try:
        yield came
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
