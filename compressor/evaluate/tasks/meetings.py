"""Do the parts of a meeting that answer a query still answer it? QMSum, or data like it."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from compressor.errors import InputError
from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.meetings import Query
from compressor.evaluate.tasks.reading import judged_by
from compressor.evaluate.tasks.recovery import RECOVERY, Recovery, reading_prompt
from compressor.evaluate.tasks.task import Floats, Metric, Scores
from compressor.reader.config import ReaderSection
from compressor.reader.reader import Reader

_ROUGE = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}


class Meetings:
    """Items: queries; groups: their meetings.

    `recovery`: of the reference answer. `ROUGE-1/2/L recall`: share of the reference answer's
    words, pairs of words and longest common subsequence that stand in the compressed text.
    `ROUGE-1/2/L answer`: F of the model's own answer, where `reader.generate` asks for it.
    """

    name = "meetings"

    def __init__(self, queries: Sequence[Query], reader: Reader, section: ReaderSection) -> None:
        """Raises `InputError` where rouge-score isn't installed."""
        self._queries = queries
        self._reader = reader
        self._section = section
        self._texts = [query.text for query in queries]
        self._recovery = Recovery(
            reader,
            reading_prompt,
            self._texts,
            [query.query for query in queries],
            [query.answer for query in queries],
        )
        self._scorer = _rouge_scorer()
        self.items = [query.id for query in queries]
        self.groups = np.array([query.meeting for query in queries], np.int64)
        self.metrics = [
            *([RECOVERY] if section.likelihood else []),
            *(Metric(f"{label} recall") for label in _ROUGE.values()),
            *(Metric(f"{label} answer") for label in _ROUGE.values() if section.generate),
        ]
        self.identity = fingerprint(
            "meetings 1",
            [astuple(query) for query in queries],
            reader.identity,
            judged_by(section),
        )

    def texts(self) -> Sequence[str]:
        return self._texts

    def score(self, compressed: Sequence[str]) -> Scores:
        scores: dict[str, Floats] = self._rouge(compressed, "recall")
        if self._section.likelihood:
            scores |= self._recovery.scores(compressed)
        if self._section.generate:
            prompts = [
                reading_prompt(text, query.query)
                for text, query in zip(compressed, self._queries, strict=True)
            ]
            limit = self._section.max_new_tokens
            scores |= self._rouge(self._reader.generate(prompts, max_new_tokens=limit), "answer")
        return scores

    def _rouge(self, texts: Sequence[str], measure: str) -> dict[str, Floats]:
        part = "recall" if measure == "recall" else "fmeasure"
        found = [
            self._scorer.score(query.answer, text)
            for query, text in zip(self._queries, texts, strict=True)
        ]
        return {
            f"{label} {measure}": np.array([getattr(one[key], part) for one in found], np.float64)
            for key, label in _ROUGE.items()
        }


def _rouge_scorer() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise InputError(
            "the task meetings needs the package rouge-score: pip install 'compressor[reader]'"
        ) from None
    return RougeScorer(list(_ROUGE), use_stemmer=True)
