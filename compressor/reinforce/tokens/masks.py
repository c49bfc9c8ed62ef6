"""Keep masks of one text, drawn from P(keep) under a hard budget, and how likely each one is.

The distribution: each sub-word is kept by a coin of its word's P(keep), on the condition that the
sub-words of a word agree, that a mark (punctuation) stays only with its word, and that what is kept
fills the budget: it costs at most the budget, and little less. So a word of c sub-words weighs
c * log-odds, and p(mask) = exp(weight of what it keeps) / Z, with Z the sum over all masks that
fill the budget: conditional Bernoulli, known as conditional Poisson sampling. The likeliest mask is
what inference chooses, words by falling P(keep) until the budget is full, up to the last word that
fits. Z comes from a table over words and totals, by which masks are drawn, too.

Against drawing words one after the other (Plackett-Luce, Gumbel top-k), whose likelihood is that of
an order: there a word that is sure to be kept still adds the noise of when it was drawn, a variance
of 1 each; here it adds none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.budget import tolerance
from compressor.engine.document import Batch

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_NEVER = -1e9
"""The log of nothing: finite, for the gradient of logaddexp is no number where both are -inf."""
_EPSILON = 1e-6
"""Probabilities nearer to 0 or 1 count as this near."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be kept of one text: u units, each word right before the marks that it owns.

    unit: int64 [u], their places in the batch; cost: int64 [u]; mark: bool [u]; budget: what may be
    kept at most; least: what is kept at least, where masks can.
    """

    unit: Ints
    cost: Ints
    mark: Flags
    budget: int
    least: int


def choices(batch: Batch, targets: Ints) -> list[Choice]:
    """One for each text; targets: int64 [n], tokens that may be kept of it."""
    slack = tolerance(targets)
    found = []
    for row, (first, last) in enumerate(zip(batch.splits[:-1], batch.splits[1:], strict=True)):
        marks, owner = batch.units.punctuation[first:last], batch.units.owner[first:last]
        unit = first + np.lexsort((marks, owner))
        least = max(0, int(targets[row] - slack[row]))
        found.append(
            Choice(
                unit,
                batch.cost[unit],
                batch.units.punctuation[unit],
                # No more than there is: the table is as long as the budget.
                budget=min(int(targets[row]), int(batch.cost[first:last].sum())),
                least=least,
            )
        )
    return found


class Masks:
    """The masks of a `Choice`. Differentiable in `chances`, on the CPU."""

    def __init__(self, choice: Choice, chances: torch.Tensor, *, temperature: float = 1.0) -> None:
        """chances: P(keep), float64 [u], in the order of the choice.

        temperature: log-odds are divided by it.
        """
        self.choice = choice
        size = torch.from_numpy(choice.cost.clip(min=1))
        self._weight = size * torch.logit(chances, _EPSILON) / temperature
        self._dropped, self._kept = _tables(choice, self._weight)
        self._totals = torch.logaddexp(self._dropped[-1], self._kept[-1])
        self._accepted = torch.from_numpy(_accepted(choice, _numpy(self._totals)))
        self._log_z = torch.logsumexp(self._totals[self._accepted], 0)

    def draw(self, count: int, generator: np.random.Generator) -> Flags:
        """`count` masks, bool [count, u], in the order of the choice."""
        choice, weight = self.choice, _numpy(self._weight)
        dropped, kept = (
            [_numpy(table) for table in tables] for tables in (self._dropped, self._kept)
        )
        totals, accepted = _numpy(self._totals), self._accepted.numpy()
        odds = np.exp(totals[accepted] - totals[accepted].max())
        left = generator.choice(accepted, count, p=odds / odds.sum())
        inside = _toss(generator, kept[-1][left] - totals[left])
        masks = np.zeros((count, len(weight)), bool)
        for at in range(len(weight) - 1, -1, -1):
            cost = int(choice.cost[at])
            if choice.mark[at]:  # inside: its word is kept
                before = kept[at - 1][np.maximum(left - cost, 0)] + weight[at]
                with_it = np.where(left >= cost, before, _NEVER)
                masks[:, at] = inside & _toss(generator, with_it - kept[at][left])
                left = left - cost * masks[:, at]
            else:
                masks[:, at] = inside
                left = left - cost * inside
                if at:  # the word before, by what is left for it
                    both = np.logaddexp(dropped[at - 1][left], kept[at - 1][left])
                    inside = _toss(generator, kept[at - 1][left] - both)
        return masks

    def log_probability(self, masks: Flags) -> torch.Tensor:
        """log p of each mask, float64 [n]; of masks that fill the budget."""
        chosen = torch.from_numpy(masks.astype(np.float64))
        return chosen @ self._weight - self._log_z


def entropy(chances: torch.Tensor) -> torch.Tensor:
    """Mean entropy in nats of a unit's coin; chances: [u]."""
    p = chances.clamp(_EPSILON, 1 - _EPSILON)
    return -(p * p.log() + (1 - p) * (1 - p).log()).mean()


def divergence(chances: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Mean KL(chances || start) in nats of a unit's coin; [u] each."""
    p, q = chances.clamp(_EPSILON, 1 - _EPSILON), start.clamp(_EPSILON, 1 - _EPSILON)
    return (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()


def in_batch(choices: Sequence[Choice], masks: Sequence[Flags], units: int) -> Flags:
    """Masks of all texts of a batch as masks of its units, bool [n, units]."""
    keep = np.zeros((len(masks[0]), units), bool)
    for choice, own in zip(choices, masks, strict=True):
        keep[:, choice.unit] = own
    return keep


def _tables(choice: Choice, weight: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """After each unit, the log of the summed odds of all masks so far of each total cost.

    float64 [budget + 1] each: of those that drop the last word so far, of those that keep it.
    """
    dropped = torch.full((choice.budget + 1,), _NEVER, dtype=torch.float64)
    dropped[0] = 0.0
    kept = torch.full_like(dropped, _NEVER)
    tables: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for at, (cost, mark) in enumerate(zip(choice.cost.tolist(), choice.mark.tolist(), strict=True)):
        if mark:
            kept = torch.logaddexp(kept, _raised(kept, cost) + weight[at])
        else:
            dropped = torch.logaddexp(dropped, kept)
            kept = _raised(dropped, cost) + weight[at]
        for table, one in zip(tables, (dropped, kept), strict=True):
            table.append(one)
    return tables


def _raised(table: torch.Tensor, cost: int) -> torch.Tensor:
    """The same at totals that are higher by `cost`; what exceeds the budget is gone."""
    cost = min(cost, len(table))
    return torch.cat([table.new_full((cost,), _NEVER), table[: len(table) - cost]])


def _accepted(choice: Choice, totals: Floats) -> Ints:
    """Totals that fill the budget; where no mask has one of these, the highest that one has."""
    reached = np.flatnonzero(totals > _NEVER / 2)
    full = reached[reached >= choice.least]
    return full if len(full) else reached[-1:]


def _toss(generator: np.random.Generator, log_chance: Floats) -> Flags:
    return np.asarray(generator.random(len(log_chance)) < np.exp(np.minimum(log_chance, 0)))


def _numpy(values: torch.Tensor) -> Floats:
    return np.asarray(values.detach().numpy(), np.float64)
