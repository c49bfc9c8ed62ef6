"""How far a run is: drawn on a terminal, else a line every 30 s, or an object of JSON.

Replicas and write tasks report to a tally; a thread of the driver asks it and shows what it says.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from compressor.interrupt import Stopped
from compressor.log import note
from compressor.pipeline.pace import Pace
from compressor.pipeline.screen import is_drawn, plain, screen, view
from compressor.pipeline.tally import Counts, Extent, Handle

LOOK_SECONDS, LOG_SECONDS = 1.0, 30.0
ASK_SECONDS = 10.0  # for an answer of the tally


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: what it has to do, has done, and at which speed (a second).

    left: seconds until the end; None as long as nothing is known.
    """

    extent: Extent
    counts: Counts
    tokens_per_second: float = 0.0
    left: float | None = None

    @property
    def done(self) -> int:
        """Rows, those of earlier runs included."""
        return self.extent.before + self.counts.rows

    def line(self) -> str:
        """All in one line, for a log."""
        errors = [f"{self.counts.errors:,} errors"] if self.counts.errors else []
        return " · ".join([self.share(), *self.pace(), self.time_left(), *errors, self.replicas()])

    def share(self) -> str:
        total = self.extent.total
        share = self.done / total if total else 1.0
        return f"{self.done:,}/{total:,} rows ({share:.0%})"

    def pace(self) -> list[str]:
        """Tokens a second and the rate so far; nothing where nothing is done."""
        counts = self.counts
        if not counts.original_tokens:
            return []
        rate = counts.compressed_tokens / counts.original_tokens
        return [f"{self.tokens_per_second:,.0f} tokens/s", f"rate {rate:.3f}"]

    def time_left(self) -> str:
        return "starting" if self.left is None else f"ETA {clock(self.left)}"

    def replicas(self) -> str:
        counts = self.counts
        starting = f" ({counts.starting} starting)" if counts.starting else ""
        wanted = max(self.extent.replicas, counts.working)
        return f"replicas {counts.working}/{wanted}{starting}"

    def fields(self) -> dict[str, Any]:
        """The same for machines; of rates and speeds None where nothing is known."""
        counts = self.counts
        some = counts.original_tokens
        return {
            "rows": self.done,
            "total_rows": self.extent.total,
            "rows_before": self.extent.before,
            "original_tokens": counts.original_tokens,
            "compressed_tokens": counts.compressed_tokens,
            "rate": round(counts.compressed_tokens / some, 6) if some else None,
            "tokens_per_second": round(self.tokens_per_second, 1) if some else None,
            "eta_seconds": None if self.left is None else round(self.left, 1),
            "errors": counts.errors,
            "replicas_working": counts.working,
            "replicas_starting": counts.starting,
            "replicas_wanted": self.extent.replicas,
        }


class Watch:
    """Looks at a run again and again: the last `progress`, its speed taken from all looks."""

    def __init__(self, extent: Extent) -> None:
        self._pace = Pace()
        self.progress = Progress(extent, Counts())

    def look(self, counts: Counts, now: float) -> Progress:
        """What the counts say at `now`, seconds of any clock."""
        extent = self.progress.extent
        rows, tokens = counts.rows, counts.original_tokens
        self._pace.see(now, working=counts.working > 0, rows=rows, tokens=tokens)
        _, speed = self._pace.speed()
        left = self._pace.left(extent.total - extent.before - rows)
        self.progress = Progress(extent, counts, speed, left)
        return self.progress


@contextmanager
def shown(tally: Handle, stream: TextIO | None = None) -> Iterator[None]:
    """Show the progress until the block ends. Raises `Stopped` where the block is interrupted."""
    import ray

    watch = Watch(tally.extent)

    def look(patience: float = ASK_SECONDS) -> Progress:
        counts: Counts = ray.get(tally.actor.counts.remote(), timeout=patience)
        return watch.look(counts, time.monotonic())

    def say(progress: Progress) -> None:
        note("progress", progress.line(), **progress.fields())

    try:
        with _repeated(look, view, say, stream or sys.stderr):
            yield
    except Stopped:
        raise
    except KeyboardInterrupt:
        with suppress(ray.exceptions.RayError):
            look(LOOK_SECONDS)
        done, total = watch.progress.done, watch.progress.extent.total
        raise Stopped(
            f"stopped: {done:,} of {total:,} rows are done and kept; the same command does the rest"
        ) from None


@contextmanager
def drawn(line: Callable[[float], str], stream: TextIO | None = None) -> Iterator[None]:
    """Show `line(seconds since the start)` again and again until the block ends."""
    started = time.monotonic()

    def look() -> str:
        return line(time.monotonic() - started or 1e-9)

    def say(text: str) -> None:
        note("progress", text)

    with _repeated(look, plain, say, stream or sys.stderr):
        yield


@contextmanager
def _repeated(
    look: Callable[[], Any],
    draw: Callable[[Any], Any],
    say: Callable[[Any], None],
    stream: TextIO,
) -> Iterator[None]:
    """Look every second until the block ends: draw what is seen, or say it now and then."""
    import ray

    stop = threading.Event()

    def loop(show: Callable[[Any], None], every: float) -> None:
        due = time.monotonic() + every
        while not stop.wait(LOOK_SECONDS):
            try:
                seen = look()
                if time.monotonic() >= due:
                    show(seen)
                    due += every
            except (ray.exceptions.RayError, OSError):  # never the job's concern
                continue

    def watching(show: Callable[[Any], None], every: float) -> threading.Thread:
        thread = threading.Thread(target=loop, args=(show, every), name="progress", daemon=True)
        thread.start()
        return thread

    if not is_drawn(stream):
        thread = watching(say, LOG_SECONDS)
        try:
            yield
        finally:
            stop.set()
            thread.join()
        return
    with screen(stream) as put:
        thread = watching(lambda seen: put(draw(seen)), 0.0)
        try:
            yield
        finally:
            stop.set()
            thread.join()


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
