"""Windows as the model reads them: with their special ids, end to end, without padding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_POSITIONS_BEHIND_PAD = {"roberta", "xlm-roberta", "camembert"}
"""By `model_type`."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """ids, int64 [t], of sequences that follow one another; lengths, int64 [s], add up to t."""

    ids: Ints
    lengths: Ints

    @classmethod
    def joined(cls, several: list["Sequences"]) -> "Sequences":
        """Those of each, one after the other."""
        if len(several) == 1:
            return several[0]
        ids = np.concatenate([one.ids for one in several])
        return cls(ids, np.concatenate([one.lengths for one in several]))

    @property
    def starts(self) -> Ints:
        """Where each sequence begins, int64 [s]."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def column(self) -> Ints:
        """Each token's place in its own sequence, int64 [t]."""
        return np.arange(len(self.ids)) - np.repeat(self.starts, self.lengths)

    def positions(self, pad: int | None) -> Ints:
        """What a model's position embeddings are asked for, int64 [t].

        RoBERTa counts from behind its padding id `pad`, and doesn't count that id in a text.
        """
        if pad is None:
            return self.column
        counted = self.ids != pad
        running = np.cumsum(counted)
        starts = self.starts
        base = running[starts] - counted[starts]
        within = running - np.repeat(base, self.lengths)
        return np.asarray(within * counted + pad)


def filled(lengths: Ints, most: int) -> Iterator[slice]:
    """Neighbours that hold at most `most` tokens together, or one sequence each."""
    end = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = int(end[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(end, before + most, "right")))
        yield slice(first, last)
        first = last


def pad_before_positions(config: Any) -> int | None:
    """The padding id that a model's positions begin behind; None where they begin at 0."""
    return config.pad_token_id if config.model_type in _POSITIONS_BEHIND_PAD else None


def surround(
    ids: Ints, first: Ints, size: Ints, prefix: tuple[int, ...], suffix: tuple[int, ...]
) -> tuple[Sequences, Flags, Ints]:
    """The spans `first` to `first + size` of `ids`, each between the special ids.

    Also says which tokens are sub-words, bool [t], and which of `ids` these are.
    """
    left, right = len(prefix), len(suffix)
    lengths = size + left + right
    end = np.cumsum(lengths)
    solid = np.ones(int(lengths.sum()), bool)
    whole = np.empty(len(solid), np.int64)
    places = [
        *(end - lengths + at for at in range(left)),
        *(end - right + at for at in range(right)),
    ]
    for place, special in zip(places, (*prefix, *suffix), strict=True):
        whole[place] = special
        solid[place] = False
    inner = np.cumsum(size) - size
    source = np.arange(int(size.sum())) + np.repeat(first - inner, size)
    whole[solid] = ids[source]
    return Sequences(whole, lengths), solid, source
