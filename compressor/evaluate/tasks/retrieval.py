"""Does the index still find it? Questions search the compressed passages with an embedding model.

The search is exact (a product of matrices) and knows all passages, also those whose questions are
left out. Each passage is there once, however many questions share it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from compressor.evaluate.inputs import Question, fingerprint, fingerprint_of_questions
from compressor.evaluate.tasks.task import Floats, Metric, Scores

_DEPTH = 10
_QUERIES = 1024  # searched together; bounds memory


class Encoder(Protocol):
    identity: str

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


class Retrieval:
    """Items: questions, equal ones once; relevant are the passages of that question.

    `nDCG@10` with binary relevance; `recall@10`: share of the relevant passages among the first 10
    (of 10 at most).
    """

    name = "retrieval"
    metrics = (Metric(f"nDCG@{_DEPTH}"), Metric(f"recall@{_DEPTH}"))
    groups = None

    def __init__(
        self,
        questions: Sequence[Question],
        passages: Sequence[str],
        embeddings: Encoder,
        titles: Mapping[str, str] | None = None,
    ) -> None:
        """passages: what is searched; those of the questions are added where they are missing.

        titles: by passage, what stands in front of it in the index, whoever compresses it.
        """
        self._passages = list(dict.fromkeys([*passages, *(q.text for q in questions)]))
        place = {text: at for at, text in enumerate(self._passages)}
        relevant: defaultdict[str, set[int]] = defaultdict(set)
        for question in questions:
            relevant[question.question].add(place[question.text])
        self._relevant = [sorted(places) for places in relevant.values()]
        self._queries = list(relevant)
        self._embeddings = embeddings
        self._titles = [(titles or {}).get(text, "") for text in self._passages]
        self.items = self._queries
        self.identity = fingerprint(
            "retrieval 2",
            fingerprint_of_questions(questions),
            self._passages,
            self._titles,
            embeddings.identity,
        )

    def texts(self) -> Sequence[str]:
        return self._passages

    def score(self, compressed: Sequence[str]) -> Scores:
        if len(compressed) != len(self._passages):
            raise ValueError(f"retrieval: {len(compressed)} of {len(self._passages)} passages")
        titled = [
            f"{title}\n{text}" if title else text
            for title, text in zip(self._titles, compressed, strict=True)
        ]
        found = self._search(self._embeddings.embed(titled))
        hits = np.array(
            [np.isin(row, places) for row, places in zip(found, self._relevant, strict=True)]
        )
        return rank_scores(hits, np.array([len(places) for places in self._relevant]))

    @cached_property
    def _query_vectors(self) -> npt.NDArray[np.float32]:
        return self._embeddings.embed(self._queries)

    def _search(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The nearest passages of each query, int64 [queries, 10 or fewer], nearest first."""
        nearest = [
            np.argsort(-(self._query_vectors[at : at + _QUERIES] @ vectors.T), 1, kind="stable")
            for at in range(0, len(self._queries), _QUERIES)
        ]
        return np.concatenate(nearest)[:, :_DEPTH]


def rank_scores(hits: npt.NDArray[np.bool_], relevant: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """nDCG and recall of each query. hits: bool [queries, depth]; relevant: int64 [queries]."""
    depth = hits.shape[1]
    gain = 1 / np.log2(np.arange(2, depth + 2))
    reachable = np.minimum(relevant, depth)
    ideal = np.cumsum(gain)[reachable - 1]
    return {
        f"nDCG@{_DEPTH}": (hits * gain).sum(1) / ideal,
        f"recall@{_DEPTH}": hits.sum(1) / reachable,
    }
