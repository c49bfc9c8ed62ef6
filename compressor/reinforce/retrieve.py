"""Which shots are candidates for a question: the nearest by the policy's own frozen encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.reinforce.shots import Shot, told_anew

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """Shots and the embeddings of their questions, float32 [n, D], rows of length 1."""

    shots: Sequence[Shot]
    embeddings: Floats

    def nearest(
        self, question: str, embedding: Floats, k: int, *, apart: bool
    ) -> tuple[Ints, Floats]:
        """The k nearest shots to a question, nearest first: their indices and cosines.

        embedding: float32 [D]. apart: the question's own shot, and others that tell it anew, are
        none of them. Of equally near shots the earlier one comes first.
        """
        near = self.embeddings @ embedding
        found: list[int] = []
        for at in np.argsort(-near, kind="stable").tolist():
            if len(found) == k:
                break
            if not apart or not told_anew(question, self.shots[at].question):
                found.append(at)
        chosen = np.array(found, np.int64)
        return chosen, near[chosen]
