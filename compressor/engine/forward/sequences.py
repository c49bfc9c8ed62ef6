"""Windows as the model reads them: with their special ids, end to end, without padding."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sequences:
    """ids, int64 [t], of sequences that follow one another; lengths, int64 [s], add up to t."""

    ids: Ints
    lengths: Ints

    @property
    def starts(self) -> Ints:
        """Where each sequence begins, int64 [s]."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def column(self) -> Ints:
        """Each token's place in its own sequence, int64 [t]."""
        return np.arange(len(self.ids)) - np.repeat(self.starts, self.lengths)


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
