"""A large corpus in several runs of Ray Data, so that the driver's memory doesn't grow with it.

Ray Data keeps something of each shard on the driver until its run ends. Each run loads the models
anew, which takes seconds; `SHARDS_PER_WAVE` shards of the default size take a cluster of 64 GPUs
many minutes.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from compressor.corpus.shards import Shards, unit_bounds

SHARDS_PER_WAVE = 20_000


def waves(shards: Shards, most: int = SHARDS_PER_WAVE) -> Iterator[Shards]:
    """In as many equal runs as it takes; parts of one row group, which are read together, stay so.

    A row group of more than `most` parts is a run by itself.
    """
    bounds = unit_bounds(shards)
    count = -(-len(shards) // most)
    wanted = np.arange(1, count) * len(shards) // max(1, count)
    cuts = bounds[np.searchsorted(bounds, wanted)]
    for first, end in itertools.pairwise(np.unique([0, *cuts.tolist(), len(shards)]).tolist()):
        yield shards[first:end]
