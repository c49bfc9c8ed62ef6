"""The processes that train one model together: which of them this is, and the sum over all."""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class World:
    """Worker `rank` of `size`, computing on `device`; by default the only one.

    With several, a process group of torch.distributed must be there; who made it doesn't matter.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def all_reduce(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over all workers, in place; all must call it, and all get the same bits."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor
