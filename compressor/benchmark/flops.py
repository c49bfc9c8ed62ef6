"""What a model has to compute: floating-point operations for windows of given lengths.

Counted from the configuration alone, no weights are read. Each linear layer takes two operations a
weight and token; attention (scores, and their products with the values) four for each token,
position that it sees and hidden unit. Embeddings, norms and activations aren't counted.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of one token: `linear` whatever its window, `attention` for each position."""

    linear: int
    attention: int

    def of(self, lengths: npt.NDArray[np.int64]) -> float:
        """Operations for whole windows of these lengths, special tokens included."""
        size = lengths.astype(np.float64)
        return float(self.linear * size.sum() + self.attention * (size**2).sum())


def work_of(checkpoint: str | Path) -> Work:
    """The work of a token classifier in a folder; every layer is taken to see its whole window."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    config = AutoConfig.from_pretrained(str(checkpoint), trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForTokenClassification.from_config(config)  # type: ignore[no-untyped-call]
    weights = [
        layer.weight.numel() for layer in model.modules() if isinstance(layer, torch.nn.Linear)
    ]
    return Work(2 * sum(weights), 4 * config.num_hidden_layers * config.hidden_size)
