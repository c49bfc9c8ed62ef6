"""The cores of this machine, for replicas on CPUs: which of them share a memory controller.

Input: Linux's `/sys`; output: the physical cores of each NUMA node that this process may run on.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/devices/system")


@dataclass(frozen=True, slots=True)
class Topology:
    """Physical cores of each NUMA node that may be used; `cpus` counts their threads."""

    cores: tuple[int, ...]
    cpus: int

    @property
    def threads_per_core(self) -> int:
        return max(1, self.cpus // sum(self.cores))


def topology(system: Path = SYSTEM, allowed: set[int] | None = None) -> Topology | None:
    """What Linux says of the CPUs that are `allowed` (by the affinity of this process).

    None where it says nothing, as on other systems.
    """
    if allowed is None:
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    nodes: Counter[int] = Counter()
    seen: set[int] = set()
    for cpu in sorted(allowed):
        if cpu in seen:
            continue
        folder = system / "cpu" / f"cpu{cpu}"
        siblings = _cpus(folder / "topology" / "thread_siblings_list") & allowed
        if not siblings:
            return None
        seen |= siblings
        nodes[_node(folder)] += 1
    return Topology(tuple(nodes[node] for node in sorted(nodes)), len(allowed)) if nodes else None


def _node(folder: Path) -> int:
    """The NUMA node of a CPU, 0 where the kernel knows of none."""
    return next((int(path.name[4:]) for path in folder.glob("node[0-9]*")), 0)


def _cpus(path: Path) -> set[int]:
    """`0,64` or `0-1`, as Linux writes sets of CPUs; empty where there is no such file."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return set()
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus
