"""Does a language model that reads what is left of a passage still find the answer?"""

from collections.abc import Sequence

import numpy as np

from compressor.evaluate.answers import exact_match, word_f1
from compressor.evaluate.inputs import Question, fingerprint, fingerprint_of_questions
from compressor.evaluate.survival import holds_answer
from compressor.evaluate.tasks.recovery import RECOVERY, Recovery, reading_prompt
from compressor.evaluate.tasks.task import Floats, Metric, Scores
from compressor.reader.config import ReaderSection
from compressor.reader.reader import Reader


class Reading:
    """Items: questions whose passage holds an answer.

    `recovery`: of the first accepted answer that stands in the passage, so that the same answer is
    judged for every contender. `exact match`, `F1`: of the model's own answers, where
    `reader.generate` asks for them.
    """

    name = "reader"
    groups = None

    def __init__(
        self, questions: Sequence[Question], reader: Reader, section: ReaderSection
    ) -> None:
        self._questions = questions
        self._reader = reader
        self._section = section
        self._texts = [question.text for question in questions]
        self._recovery = Recovery(
            reader,
            reading_prompt,
            self._texts,
            [question.question for question in questions],
            [_held(question) for question in questions],
        )
        self.items = [question.id for question in questions]
        self.metrics = [
            *([RECOVERY] if section.likelihood else []),
            *([Metric("exact match"), Metric("F1")] if section.generate else []),
        ]
        self.identity = fingerprint(
            "reader 1", fingerprint_of_questions(questions), reader.identity, judged_by(section)
        )

    def texts(self) -> Sequence[str]:
        return self._texts

    def score(self, compressed: Sequence[str]) -> Scores:
        scores: dict[str, Floats] = {}
        if self._section.likelihood:
            scores |= self._recovery.scores(compressed)
        if self._section.generate:
            scores |= self._answer(compressed)
        return scores

    def _answer(self, compressed: Sequence[str]) -> dict[str, Floats]:
        prompts = [
            reading_prompt(text, question.question)
            for text, question in zip(compressed, self._questions, strict=True)
        ]
        found = self._reader.generate(prompts, max_new_tokens=self._section.max_new_tokens)
        pairs = [(text, q.answers) for text, q in zip(found, self._questions, strict=True)]
        return {
            "exact match": np.array([exact_match(*pair) for pair in pairs], np.float64),
            "F1": np.array([word_f1(*pair) for pair in pairs], np.float64),
        }


def judged_by(section: ReaderSection) -> list[object]:
    """What of the section decides scores, apart from the model."""
    return [section.likelihood, section.generate and section.max_new_tokens]


def _held(question: Question) -> str:
    return next(a for a in question.answers if holds_answer(question.text, [a]))
