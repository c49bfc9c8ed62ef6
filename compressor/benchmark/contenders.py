"""Which contenders there are, and how each is loaded in the process that it gets."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contender import Contender, Skipped
from compressor.benchmark.ours import load_ours
from compressor.benchmark.peers import load_peer
from compressor.benchmark.two_labels import write_two_label_copy
from compressor.models.quiet import quiet

OURS = {"limit", "forward", "engine", "engine-float32", "engine-parts"}
TWO_LABELS = {"transformers-pipeline", "llmlingua-list", "llmlingua-single"}
SLOW = TWO_LABELS
"""These get `benchmark.slow_passages` texts, and a few to warm up with."""


def wanted(config: BenchmarkConfig) -> list[str]:
    """The names of `benchmark.contenders`, the engine among them, in the order of the clock."""
    names = dict.fromkeys(config.benchmark.contenders)
    return [*names] if "engine" in names else ["engine", *names]


def loads_of(
    names: Sequence[str], config: BenchmarkConfig, device: str, checkpoint: str, scratch: Path
) -> list[partial[Contender | Skipped]]:
    """What loads each of the contenders; to be called where it runs."""
    copy = ""
    if TWO_LABELS & set(names):
        copy = str(write_two_label_copy(checkpoint, scratch))
    return [load_of(name, config, device, checkpoint, copy) for name in names]


def load_of(
    name: str, config: BenchmarkConfig, device: str, checkpoint: str, copy: str = ""
) -> partial[Contender | Skipped]:
    """What loads one contender; `copy`: the two-label checkpoint, for those that want it."""
    return partial(load_contender, name, config, device, checkpoint, copy)


def load_contender(
    name: str, config: BenchmarkConfig, device: str, checkpoint: str, copy: str
) -> Contender | Skipped:
    """Load one contender; what can't be loaded says why. `copy`: the two-label checkpoint."""
    quiet()
    if name in OURS:
        return load_ours(name, config, checkpoint)
    try:
        return load_peer(name, config, device, checkpoint, copy)
    except Exception as error:  # made for other versions, or wants the network
        return Skipped(name, f"can't be loaded here: {type(error).__name__}: {error}")
