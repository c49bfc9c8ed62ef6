"""What every run of a job shares: the examples, and the special sub-words around a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from compressor.train.examples import Example


@dataclass(frozen=True)
class Task:
    """Examples are cut to windows already."""

    training: Sequence[Example]
    heldout: Sequence[Example]
    first: int  # special sub-word before a window
    last: int  # and after it
    padding: int

    @cached_property
    def weights(self) -> list[float]:
        """What each training example counts in the loss: the sum of its sub-words' weights."""
        return [float(example.weights.sum(dtype="float64")) for example in self.training]
