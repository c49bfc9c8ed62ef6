"""The policy is the compressor: a token classifier whose P(keep) of each word is trained.

In: a batch of texts as the engine makes it. Out: P(keep) of its units, with gradients. Windows,
special ids, the mean over a word's sub-words: all as the engine has them, so that the weights are a
checkpoint like any other.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from compressor.engine.document import Batch
from compressor.engine.forward.sequences import surround
from compressor.engine.scorer import ModelInput
from compressor.engine.windows import Windows, cut_windows
from compressor.engine.word_scores import touching
from compressor.reinforce.policy import Learnt
from compressor.train.loss import keep_logit
from compressor.train.optimiser import Weights

Ints = npt.NDArray[np.int64]
_PREFIX = "model."


class TokenPolicy(Learnt):
    """A token classifier of transformers, in float32 and without dropout.

    Its word embeddings stay as they are: rare words would move by single rewards.
    """

    def __init__(self, model: Any, form: ModelInput, *, max_batch_tokens: int = 8192) -> None:
        super().__init__()
        self.model = model.float().eval()
        self._form = form
        self._max_batch_tokens = max_batch_tokens
        self.model.requires_grad_(True)
        self.model.get_input_embeddings().requires_grad_(False)

    def forward(self, batch: Batch) -> torch.Tensor:
        """P(keep) of each unit, float64 [u], on the CPU.

        Units that are pieces of one long word share their mean, as where the engine ranks them.
        """
        windows = cut_windows(batch, self._form.window)
        chances = torch.sigmoid(self._logits(batch.subwords.ids, windows).cpu().double())
        low, high = touching(batch)
        size = high - low
        inside = np.arange(int(size.sum())) + np.repeat(low - (np.cumsum(size) - size), size)
        unit = np.repeat(np.arange(len(size)), size)
        means = _means(chances[torch.from_numpy(inside)], unit, len(size))
        return _means(means, batch.whole, len(size))[torch.from_numpy(batch.whole)]

    def groups(self) -> Iterator[tuple[str, list[nn.Parameter]]]:
        yield "heads", [one for one in self.parameters() if one.requires_grad]

    def _logits(self, ids: Ints, windows: Windows) -> torch.Tensor:
        """Log-odds of keeping each sub-word, float32 [len(ids)]."""
        form, device = self._form, next(self.parameters()).device
        size = windows.last - windows.first
        parts, places = [], []
        for some in _groups(size + form.specials, self._max_batch_tokens):
            sequences, solid, source = surround(
                ids, windows.first[some], size[some], form.prefix, form.suffix
            )
            real = np.arange(int(sequences.lengths.max())) < sequences.lengths[:, None]
            block = np.full(real.shape, form.pad, np.int64)
            block[real] = sequences.ids
            wanted = np.zeros_like(real)
            wanted[real] = solid
            logits = self.model(
                input_ids=torch.from_numpy(block).to(device),
                attention_mask=torch.from_numpy(real.astype(np.int64)).to(device),
            ).logits
            parts.append(keep_logit(logits, form.keep)[torch.from_numpy(wanted).to(device)])
            places.append(source)
        order = torch.from_numpy(np.argsort(np.concatenate(places)))
        return torch.cat(parts)[order.to(device)]


def checkpoint_weights(weights: Weights) -> Weights:
    """Of a policy's weights those of its model, by the model's names."""
    return {name.removeprefix(_PREFIX): value for name, value in weights.items()}


def _groups(width: Ints, most: int) -> Iterator[Ints]:
    """Indices of windows of similar width, each group at most `most` padded tokens or one."""
    order = np.argsort(-width, kind="stable")
    first = 0
    while first < len(order):
        last = first + max(1, most // int(width[order[first]]))
        yield order[first:last]
        first = last


def _means(values: torch.Tensor, group: Ints, count: int) -> torch.Tensor:
    """The mean of each group's values, [count]; 0 where it has none."""
    size = torch.from_numpy(np.bincount(group, minlength=count).clip(min=1))
    return values.new_zeros(count).index_add(0, torch.from_numpy(group), values) / size
