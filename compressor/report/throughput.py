"""How fast a run was over its time, and by replica, from the times of its shards.

Input: the table of shards; output: tokens a second in each part of the time, and a row for each
replica. Shards of earlier runs have no times and no part in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
PARTS = 60  # of the time, at most
AT_ONCE = 4096  # shards


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica's shards, tokens, seconds from its first shard to its last, seconds at work."""

    name: str
    shards: int
    tokens: int
    seconds: float
    busy: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """edges: float64 [n + 1], seconds since the first shard began; rates: float64 [n], tokens a
    second between them; replicas: the fastest first."""

    edges: Floats
    rates: Floats
    replicas: Sequence[Replica]


def throughput(shards: pa.Table) -> Throughput | None:
    """None where no shard of this run has times."""
    if not {"finished", "seconds", "replica"} <= set(shards.schema.names):
        return None
    shards = shards.filter(
        pc.and_(pc.is_valid(shards["finished"]), pc.greater(shards["seconds"], 0))
    )
    if not len(shards):
        return None
    ended = shards["finished"].cast(pa.int64()).to_numpy() / 1000
    begun = ended - shards["seconds"].to_numpy()
    tokens = shards["original_tokens"].to_numpy().astype(np.float64)
    first = begun.min()
    edges = np.linspace(0.0, float(ended.max() - first), min(PARTS, 3 * len(shards)) + 1)
    done = np.zeros(len(edges))
    for at in range(0, len(shards), AT_ONCE):  # a shard's tokens are spread over its seconds
        some = slice(at, at + AT_ONCE)
        share = (edges[:, None] + first - begun[some]) / (ended - begun)[some]
        done += (np.clip(share, 0, 1) * tokens[some]).sum(axis=1)
    rates = np.diff(done) / np.diff(edges)
    return Throughput(edges, rates, _replicas(shards["replica"].to_pylist(), tokens, begun, ended))


def _replicas(
    names: Sequence[str | None], tokens: Floats, begun: Floats, ended: Floats
) -> list[Replica]:
    known = np.array([name or "not known" for name in names], object)
    replicas = []
    for name in np.unique(known):
        own = known == name
        replicas.append(
            Replica(
                str(name),
                int(own.sum()),
                int(tokens[own].sum()),
                float(ended[own].max() - begun[own].min()),
                float((ended - begun)[own].sum()),
            )
        )
    return sorted(replicas, key=lambda replica: (-replica.rate, replica.name))
