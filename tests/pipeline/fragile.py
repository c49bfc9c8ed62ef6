"""Replicas that fail on purpose, for tests of faults: importable by Ray's workers."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compressor.pipeline.replica import ModelSpec, Replica, load

POISON = "this text is poison"
COUNTER = "FRAGILE_COUNTER"  # a file that counts what has happened, over processes


def count(name: str) -> int:
    """How often this was called before, in any process."""
    path = Path(os.environ[COUNTER]).with_suffix(f".{name}")
    with path.open("ab") as file:
        file.write(b".")
        file.flush()
        return os.fstat(file.fileno()).st_size - 1


class Poisoned:
    """A compressor whose process dies over a text, as native code makes it die."""

    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def compress_columns(self, texts: list[str], *arguments: Any, **options: Any) -> Any:
        if any(POISON in text for text in texts):
            count("deaths")
            os.kill(os.getpid(), signal.SIGKILL)
        return self._compressor.compress_columns(texts, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compressor, name)


def load_poisoned(spec: ModelSpec) -> Any:
    return Poisoned(load(spec))


def load_third_time(spec: ModelSpec) -> Any:
    if count("loads") < 2:
        raise RuntimeError("the storage has a hiccup")
    return load(spec)


class PoisonedReplica(Replica):
    loads: Callable[[ModelSpec], Any] = staticmethod(load_poisoned)


class HesitantReplica(Replica):
    loads: Callable[[ModelSpec], Any] = staticmethod(load_third_time)
