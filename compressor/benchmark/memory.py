"""Peak memory of a process: of the machine's, and of the GPU's that torch had."""

import resource
import sys
from pathlib import Path

KIBI = 1024


def peak(process: int | str = "self") -> int | None:
    """Bytes of physical memory that the process had at most; None where it can't be told.

    From /proc where there is one: `getrusage` also counts what the parent held at the fork.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _from_usage() if process == "self" else None
    lines = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(line.split()[1]) * KIBI for line in lines), None)


def gpu_peak() -> int | None:
    """Bytes of GPU memory that torch had at most in this process; None where it used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())


def wait_for_gpu() -> None:
    """Until the GPU has done what it was given; nothing where this process uses none."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _from_usage() -> int:
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * KIBI
