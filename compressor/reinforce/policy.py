"""The policy: which shots to keep, and which of their words.

In: hidden states of a frozen encoder with their mask, and a few plain features (`Seen`). Out: the
logits of keeping each shot and each word. Both heads are those of the paper: LayerNorm, Linear to
512, LayerNorm, GELU, Linear to 2; of a shot the masked mean of its positions is read, of a word its
own positions, whose logits are averaged. Beside each head stands a linear layer over the features:
what no encoder knows (how near a shot is to the question that is asked, whether a word is part of a
question or of a solution) takes effect within a few updates.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from compressor.reinforce.encoder import Encoded
from compressor.reinforce.words import Words

HIDDEN = 512
SHOT_FEATURES = 6
"""Nearness to the question among the candidates (standardised), and as it is; words of the question
that the shot's own has, too (standardised); how much longer or shorter its question is; length;
lines of its solution.
"""
WORD_FEATURES = 3
"""In the question; the compressor's logit of keeping it, in the question and in the solution."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the policy sees of k candidates with w words.

    encoded: hidden states [k, N, D] and mask [k, N]; at: int64 [t], which places of [k x N] hold
    the positions of words, and of_word: int64 [t], the word of each; shots: float32 [k, 6] and
    words: float32 [w, 3], the features. All on one device.
    """

    encoded: Encoded
    at: torch.Tensor
    of_word: torch.Tensor
    shots: torch.Tensor
    words: torch.Tensor


@dataclass(frozen=True, slots=True)
class Logits:
    """Of keeping: shots float32 [k], words float32 [w]."""

    shots: torch.Tensor
    words: torch.Tensor

    def detached(self) -> "Logits":
        return Logits(self.shots.detach(), self.words.detach())


class Learnt(nn.Module):
    """What a run trains."""

    def groups(self) -> Iterator[tuple[str, list[nn.Parameter]]]:
        """("heads", ...) and, where there are any, ("features", ...): each learns at its rate."""
        raise NotImplementedError


class Head(nn.Sequential):
    """Two logits, drop and keep, of each vector [..., D]."""

    def __init__(self, width: int, keep_bias: float) -> None:
        last = nn.Linear(HIDDEN, 2)
        nn.init.zeros_(last.weight)  # so every shot and word starts at the same probability
        last.bias.data = torch.tensor([0.0, keep_bias])
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, HIDDEN),
            nn.LayerNorm(HIDDEN),
            nn.GELU(),
            last,
        )

    def keep(self, vectors: torch.Tensor) -> torch.Tensor:
        """The log-odds of keeping, [...]."""
        logits = self(vectors)
        odds: torch.Tensor = logits[..., 1] - logits[..., 0]
        return odds


class Policy(Learnt):
    """Both stages; see the module."""

    def __init__(
        self,
        width: int,
        *,
        keep_bias: float = 2.0,
        nearness_weight: float = 1.0,
        solution_bias: float = 0.0,
        compressor_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        """width: D of the encoder. The rest is what the policy starts from: nearness_weight, of the
        first shot feature, prefers what retrieval does; solution_bias is what words of solutions
        have above those of questions; compressor_weight, of its log-odds for words of questions.
        """
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.shot_head = Head(width, keep_bias)
            self.word_head = Head(width, keep_bias + solution_bias)
        self.shot_features = nn.Linear(SHOT_FEATURES, 1, bias=False)
        self.word_features = nn.Linear(WORD_FEATURES, 1, bias=False)
        self.word_features.weight.data = torch.tensor([[-solution_bias, compressor_weight, 0.0]])
        nn.init.zeros_(self.shot_features.weight)
        self.shot_features.weight.data[0, 0] = nearness_weight

    def forward(self, seen: Seen) -> Logits:
        found = self.alone(seen)
        return Logits(found.shots + self.compared(seen.shots), found.words)

    def alone(self, seen: Seen) -> Logits:
        """What no question changes: the logits without what features of shots add to them."""
        hidden, mask = seen.encoded.hidden, seen.encoded.mask
        shots = self.shot_head.keep(masked_mean(hidden, mask))
        places = self.word_head.keep(hidden.flatten(0, 1)[seen.at])
        words = len(seen.words)
        count = torch.bincount(seen.of_word, minlength=words).clamp(min=1)
        means = places.new_zeros(words).index_add(0, seen.of_word, places) / count
        return Logits(shots, means + self.word_features(seen.words)[:, 0])

    def compared(self, features: torch.Tensor) -> torch.Tensor:
        """What the features of shots, float32 [k, 6], add to their logits, [k]."""
        added: torch.Tensor = self.shot_features(features)[:, 0]
        return added

    def groups(self) -> Iterator[tuple[str, list[nn.Parameter]]]:
        """("heads", ...) and ("features", ...), which learn at rates of their own."""
        for name, modules in (
            ("heads", (self.shot_head, self.word_head)),
            ("features", (self.shot_features, self.word_features)),
        ):
            yield name, [parameter for module in modules for parameter in module.parameters()]


def masked_mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over real positions, [k, D]; zeros where there are none."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)


def positions_of(words: Words, encoded: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
    """`at` and `of_word` of `Seen`: the places of [k x N] with a word, and which word that is."""
    device = encoded.mask.device
    places = np.flatnonzero(encoded.mask.cpu().numpy().ravel())
    some = words.of_position >= 0
    return (
        torch.from_numpy(places[some]).to(device),
        torch.from_numpy(words.of_position[some]).to(device),
    )
