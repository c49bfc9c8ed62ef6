"""Ctrl-C and SIGTERM: the first lets a job end in order, the second ends the process at once.

The first becomes a `KeyboardInterrupt` in the main thread, on whose way up everything is closed.
What is lost is only what was under way: jobs keep what is finished, and the same command goes on.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SHOW_CURSOR = "\x1b[?25h"

_told: int | None = None  # the first signal, once it has come


class Stopped(KeyboardInterrupt):
    """The job was told to stop; the message is one line: what is kept, and how to go on."""


def exit_code() -> int:
    """What a shell expects of a process that a signal has ended: 130 or 143."""
    return 128 + (_told or signal.SIGINT)


@contextmanager
def interruptible() -> Iterator[None]:
    """While the block runs, the first signal raises `KeyboardInterrupt`, the next ends all.

    Other threads than the main one get no signals: nothing is done there.
    """
    global _told  # noqa: PLW0603  signals are the process's
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _told = None
    before = {number: signal.signal(number, _on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not Python's own


def tell(number: int) -> None:
    """Take note of the first signal, for a job that handles it in its own way."""
    global _told  # noqa: PLW0603
    _told = number


@contextmanager
def resumable(url: str) -> Iterator[None]:
    """Raise `Stopped` where the block is interrupted: at `url`, what is finished is kept."""
    try:
        yield
    except Stopped:  # somebody closer to the work has said more
        raise
    except KeyboardInterrupt:
        kept = f"stopped: what is finished is kept in {url}; the same command goes on from there"
        raise Stopped(kept) from None


def _on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if _told is not None:
        _end_at_once(number)
    tell(number)
    raise KeyboardInterrupt


def _end_at_once(number: int) -> NoReturn:
    """Without closing anything; Ray's processes end when they see that their driver has gone."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), SHOW_CURSOR.encode())
    os._exit(128 + number)
