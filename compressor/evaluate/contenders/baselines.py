"""What a compressor must beat: random words, the first words, no stop words, highest tf-idf.

None has a model of language; all meet the budget by the same code (`compressor.evaluate.budget`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.evaluate.budget import Budget, Words
from compressor.evaluate.contenders.contender import UnavailableError
from compressor.evaluate.contenders.ranked import Ranked
from compressor.evaluate.contenders.stopwords import STOP_WORDS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truncated:
    """Keeps the beginning, verbatim."""

    name: str
    budget: Budget
    identity: str = "truncate"

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        return self.budget.first_words(texts, rate)


def random_words(name: str, budget: Budget, *, seed: int) -> Ranked:
    """Words at random; the draw depends on seed and text, not on the text's neighbours."""

    def score(texts: Sequence[str], words: Sequence[Words]) -> list[Floats]:
        return [
            _generator(seed, text).random(len(spans))
            for text, spans in zip(texts, words, strict=True)
        ]

    return Ranked(name, f"random {seed}", budget, score)


def without_stop_words(name: str, budget: Budget) -> Ranked:
    """Stop words go first, those at the end before others; then the other words from the end."""

    def score(texts: Sequence[str], words: Sequence[Words]) -> list[Floats]:
        return [
            np.array([word not in STOP_WORDS for word in _lower(text, spans)], np.float64)
            for text, spans in zip(texts, words, strict=True)
        ]

    return Ranked(name, "stopwords", budget, score)


def by_tfidf(name: str, budget: Budget) -> Ranked:
    """Words of the highest tf-idf, fitted on the texts that are compressed together.

    scikit-learn's defaults: smoothed idf, rows of length one. Raises `UnavailableError` without it.
    """
    try:
        import sklearn
    except ImportError:
        raise UnavailableError(
            "scikit-learn is not installed; pip install 'compressor[evaluate]'"
        ) from None

    def score(texts: Sequence[str], words: Sequence[Words]) -> list[Floats]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        documents = [_lower(text, spans) for text, spans in zip(texts, words, strict=True)]
        if not any(documents):
            return [np.zeros(0) for _ in documents]
        vectorizer = TfidfVectorizer(analyzer=lambda document: document)
        matrix = vectorizer.fit_transform(documents)
        return [
            _values(matrix[row], vectorizer.vocabulary_, document)
            for row, document in enumerate(documents)
        ]

    return Ranked(name, f"tfidf scikit-learn {sklearn.__version__}", budget, score)


def _values(row: Any, column: dict[str, int], document: Sequence[str]) -> Floats:
    """The words' values in a sparse row, float64 [words]."""
    value = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
    return np.array([value[column[word]] for word in document], np.float64)


def _lower(text: str, spans: Words) -> list[str]:
    return [text[start:end].lower().replace("’", "'") for start, end in spans]


def _generator(seed: int, text: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\0{text}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
