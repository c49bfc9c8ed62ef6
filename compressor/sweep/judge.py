"""One rate after the other on the same texts: what is kept of them, by the measures of `evaluate`.

In: texts that the model has read, and questions with theirs; out: a row of figures for each rate,
each with its 95 % interval (bootstrap over records).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.compression import Compression
from compressor.evaluate.facts import KINDS, Kind
from compressor.evaluate.inputs import Question
from compressor.evaluate.statistics import (
    CONFIDENCE,
    Sums,
    bootstrap,
    interval,
    mean_sums,
    ratio_sums,
)
from compressor.evaluate.tasks.embeddings import Embeddings
from compressor.evaluate.tasks.facts import Facts
from compressor.evaluate.tasks.survival import Survival

Floats = npt.NDArray[np.float64]

FACTS: dict[Kind, str] = {
    "number": "numbers",
    "name": "names",
    "negation": "negations",
    "date": "dates",
    "unit": "units",
    "code": "code",
}
ACHIEVED, ANSWERS, SIMILARITY = "achieved", "answers", "similarity"
LEAST_KEPT, LIKELIEST_DROPPED = "least likely kept", "likeliest dropped"
SHARES = {*FACTS.values(), ANSWERS}
assert set(FACTS) == set(KINDS)


@dataclass(frozen=True, slots=True)
class Figure:
    """A share or mean with its interval; `counted`: mentions, answers or records it rests on."""

    value: float
    low: float
    high: float
    counted: int


@dataclass(frozen=True, slots=True)
class Row:
    """A rate: tokens of the sample before and after, figures by name (those that rest on anything).

    The two probabilities are P(keep), means over records: of the word that only just stayed, and of
    the one that only just went.
    """

    rate: float
    tokens: int
    kept: int
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Judges:
    """What compressions are judged by. texts: as they stand in the sample, lists joined."""

    texts: Sequence[str]
    facts: Facts
    similarity: Callable[[Sequence[str]], Floats] | None
    survival: Survival | None

    @classmethod
    def of(
        cls, texts: Sequence[str], embeddings: Embeddings | None, questions: Sequence[Question]
    ) -> "Judges":
        """Without an encoder no similarity, without questions no survival."""
        return cls(
            texts,
            Facts(texts),
            similarity_to(texts, embeddings) if embeddings else None,
            Survival(questions) if questions else None,
        )


def judge(
    rates: Sequence[float],
    judges: Judges,
    compress: Callable[[float], tuple[list[Compression], list[Compression]]],
    *,
    resamples: int,
    seed: int,
) -> Iterator[Row]:
    """`compress(rate)` gives the compressions of the sample, and of the questions' passages."""
    for rate in rates:
        sample, passages = compress(rate)
        sums = dict(_sums(judges, sample, passages))
        figures = {
            name: figure
            for name, one in sums.items()
            if (figure := _figure(name, one, resamples, seed)) is not None
        }
        yield Row(
            rate,
            sum(one.original_tokens for one in sample),
            sum(one.compressed_tokens for one in sample),
            figures,
        )


def _sums(
    judges: Judges, sample: Sequence[Compression], passages: Sequence[Compression]
) -> Iterator[tuple[str, Sums]]:
    texts = [one.text for one in sample]
    before = np.array([one.original_tokens for one in sample], float)
    yield (
        ACHIEVED,
        ratio_sums([np.array([one.compressed_tokens for one in sample], float)], [before]),
    )
    facts = judges.facts.score(texts)
    for kind, name in FACTS.items():
        yield name, ratio_sums([facts[f"{kind} kept"]], [facts[f"{kind} there"]])
    if judges.survival is not None:
        scores = judges.survival.score([one.text for one in passages])
        yield ANSWERS, mean_sums([scores["answer"]])
    if judges.similarity is not None:
        yield SIMILARITY, mean_sums([judges.similarity(texts)])
    edges = np.array([edge_of(one) for one in sample], float).reshape(-1, 2)
    yield LEAST_KEPT, mean_sums([edges[:, 0]])
    yield LIKELIEST_DROPPED, mean_sums([edges[:, 1]])


def _figure(name: str, sums: Sums, resamples: int, seed: int) -> Figure | None:
    counted = int(sums.bottom.sum())
    if not counted:
        return None
    value = float(sums.values[0])
    found = interval(bootstrap(sums, resamples=resamples, seed=seed)[:, 0])
    low = found.low
    if name in SHARES and value == 1:  # nothing was lost, so no resampling can lose anything
        low = min(low, none_lost(int((sums.bottom > 0).sum())))
    return Figure(value, low, found.high, counted)


def none_lost(records: int) -> float:
    """The lower end of the interval of a share, where none of so many records lost anything.

    Clopper and Pearson's: with a lower share, a loss would have been seen 39 times of 40.
    """
    tail: float = ((1 - CONFIDENCE) / 2) ** (1 / records)
    return tail


def edge_of(result: Compression) -> tuple[float, float]:
    """P(keep) of the least likely word that stayed and of the likeliest that went; NaN for none."""
    kept = {start for start, _ in result.kept}
    stays = np.array([start in kept for start, _ in result.words], bool)
    there, gone = result.probabilities[stays], result.probabilities[~stays]
    return (
        float(there.min()) if len(there) else float("nan"),
        float(gone.max()) if len(gone) else float("nan"),
    )


def similarity_to(
    originals: Sequence[str], embeddings: Embeddings
) -> Callable[[Sequence[str]], Floats]:
    """A function that gives each compression's cosine to its original, float64 [n].

    NaN where the encoder can't see all of the original: its beginning is not what was compressed.
    """
    fits: list[int] = np.flatnonzero(embeddings.fits(originals)).tolist()
    before = embeddings.embed([originals[at] for at in fits]) if fits else None

    def similarity(compressed: Sequence[str]) -> Floats:
        found = np.full(len(originals), np.nan)
        if before is not None:
            after = embeddings.embed([compressed[at] for at in fits])
            found[fits] = (before * after).sum(1)
        return found

    return similarity
