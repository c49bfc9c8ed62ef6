"""Peak memory of a process and of those that it started, looked at while they run (Linux).

The kernel keeps each process's peak, so a look now and then misses only what grew since the last.
Ray names its workers after what they do.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compressor.benchmark.memory import peak

LOOK_SECONDS = 0.5
REPLICA = "ray::MapWorker"


@dataclass(frozen=True, slots=True)
class Peaks:
    """Bytes at most of the driver, the largest replica, and the largest descendant of any kind.

    None where there was none, or it can't be told.
    """

    driver: int | None = None
    replica: int | None = None
    largest_other: int | None = None


@contextmanager
def watched(root: int) -> Iterator[Callable[[], Peaks]]:
    """Watch the process `root` and its descendants; gives what tells the peaks so far."""
    seen: dict[int, tuple[str, int]] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            for process in family(root):
                size = peak(process)
                if size is not None:
                    seen[process] = _name(process) or seen.get(process, ("", 0))[0], size

    def peaks() -> Peaks:
        others = [entry for process, entry in list(seen.items()) if process != root]
        replicas = [size for name, size in others if name.startswith(REPLICA)]
        largest = max((size for _, size in others), default=None)
        return Peaks(seen.get(root, ("", None))[1], max(replicas, default=None), largest)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def family(root: int) -> list[int]:
    """The process and all its descendants that run now."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold blanks; the parent is the second field behind it.
            parent = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it has just ended
        children.setdefault(parent, []).append(int(status.parent.name))
    found, open_ = [], [root]
    while open_:
        process = open_.pop()
        found.append(process)
        open_ += children.get(process, [])
    return found


def _name(process: int) -> str:
    try:
        line = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return ""
    return line.replace(b"\0", b" ").decode(errors="replace").strip()
