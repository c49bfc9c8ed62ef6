"""Cores and NUMA nodes as Linux shows them, and the replicas that follow, on machines made up."""

from pathlib import Path

import pytest

from compressor.config import ClusterSection
from compressor.pipeline.resources import Node, allocate
from compressor.pipeline.topology import Topology, topology


def machine(folder: Path, numa: int, cores: int, threads: int) -> Path:
    """A `/sys/devices/system` of NUMA nodes of so many cores; siblings numbered as Linux does."""
    total = numa * cores
    for cpu in range(total * threads):
        core = cpu % total
        siblings = [core + total * thread for thread in range(threads)]
        place = folder / "cpu" / f"cpu{cpu}"
        (place / "topology").mkdir(parents=True)
        (place / "topology" / "thread_siblings_list").write_text(
            ",".join(map(str, siblings)) + "\n"
        )
        (place / f"node{core // cores}").mkdir()
    return folder


@pytest.mark.parametrize(
    ("numa", "cores", "threads"), [(1, 2, 1), (1, 4, 2), (2, 24, 2), (8, 8, 1)]
)
def test_a_whole_machine(tmp_path: Path, numa: int, cores: int, threads: int) -> None:
    cpus = numa * cores * threads
    found = topology(machine(tmp_path, numa, cores, threads), set(range(cpus)))
    assert found == Topology((cores,) * numa, cpus)
    assert found.threads_per_core == threads


def test_only_what_this_process_may_use_counts(tmp_path: Path) -> None:
    system = machine(tmp_path, 2, 4, 2)
    assert topology(system, {0, 1, 8}) == Topology((2,), 3)  # core 0 with both threads, 1 with one
    assert topology(system, {3, 4, 5}) == Topology((1, 2), 3)


def test_ranges_of_siblings(tmp_path: Path) -> None:
    for cpu in range(4):
        place = tmp_path / "cpu" / f"cpu{cpu}" / "topology"
        place.mkdir(parents=True)
        first = cpu // 2 * 2
        (place / "thread_siblings_list").write_text(f"{first}-{first + 1}\n")
    assert topology(tmp_path, {0, 1, 2, 3}) == Topology((2,), 4)


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    assert topology(tmp_path, {0, 1}) is None
    assert topology(tmp_path, set()) is None


@pytest.mark.parametrize(
    ("cores", "threads", "replicas", "each"),
    [
        ((2,), 1, 1, 2),  # a small virtual machine
        ((8,), 2, 1, 8),  # a laptop with hyper-threading: a thread a core
        ((16,), 2, 1, 16),
        ((24, 24), 2, 4, 12),  # two sockets: no replica across them
        ((4, 4), 1, 2, 4),
        ((64,), 2, 4, 16),
        ((8,) * 8, 1, 8, 8),
    ],
)
def test_auto(cores: tuple[int, ...], threads: int, replicas: int, each: int) -> None:
    cpus = sum(cores) * threads
    node = Node(float(cpus), topology=Topology(cores, cpus))
    allocation = allocate(ClusterSection(), [node], device="cpu", shards=1000)
    assert (allocation.most, allocation.threads) == (replicas, each)
    assert allocation.cpus * replicas < cpus  # the rest is for reading and writing


def test_what_is_configured_is_taken_at_its_word() -> None:
    node = Node(32.0, topology=Topology((16,), 32))
    cluster = ClusterSection(cpus_per_replica=8, replicas=2)
    assert allocate(cluster, [node], device="cpu", shards=9).threads == 8


def test_tokenising_for_a_gpu_may_use_both_threads_of_a_core() -> None:
    node = Node(16.0, 1.0, Topology((8,), 16))
    assert allocate(ClusterSection(), [node], device="cuda", shards=9).threads == 8
