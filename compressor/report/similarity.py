"""How near compressed texts stay to their originals for an embedding model, on some of them.

Input: texts before and after, and a model's name; output: the cosine of each pair. The model runs
in the process that writes the report, on its CPU or GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Similarity:
    """Of so many pairs: the mean of the cosines, and the one that a twentieth are below."""

    model: str
    pairs: int
    mean: float
    low: float


def similarity(pairs: Sequence[tuple[str, str]], model: str) -> Similarity | None:
    """None where there are no pairs. Raises `InputError` where there is no such model."""
    if not pairs:
        return None
    from compressor.evaluate.tasks.embeddings import Embeddings

    embeddings = Embeddings(model, key="report.embedding_model")
    before, after = (embeddings.embed([pair[side] for pair in pairs]) for side in (0, 1))
    cosines = (before * after).sum(axis=1)
    return Similarity(model, len(pairs), float(cosines.mean()), float(np.quantile(cosines, 0.05)))
