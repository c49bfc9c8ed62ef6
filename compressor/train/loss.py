"""The loss: cross-entropy between P(keep) and a target from 0 to 1, for one logit or two classes.

With two classes the cross-entropy against (1 - target, target) equals the binary one of the
difference of the logits, so both heads share one function.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from compressor.train.batches import Batch


def keep_logit(logits: torch.Tensor, keep: int | None) -> torch.Tensor:
    """The logit of P(keep), float32 [...], from a head's output [..., labels].

    `keep`: which of two labels says keep; None: the only one does.
    """
    if keep is None:
        return logits[..., 0].float()
    return logits[..., keep].float() - logits[..., 1 - keep].float()


def loss_sum(logit: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The weighted sum over all sub-words of a batch; `logit` as `keep_logit` gives it."""
    each = binary_cross_entropy_with_logits(logit, batch.targets, reduction="none")
    return (each * batch.weights).sum()


def head_keep(model: torch.nn.Module) -> int | None:
    """`keep` of a model that we made: its second label of two, or its only one."""
    return 1 if model.config.num_labels == 2 else None  # type: ignore[union-attr]
