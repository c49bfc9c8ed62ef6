"""Does the answer survive? Whole, and as the share of its words, in what is left of the passage.

Once more by letters and digits alone, so that a compressor that splits "150,782" or drops accents
is also judged by what it selects.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from compressor.evaluate.inputs import Question, fingerprint, fingerprint_of_questions
from compressor.evaluate.survival import holds_answer, normalise
from compressor.evaluate.tasks.task import Metric, Scores


class Survival:
    """Items: questions whose passage holds an answer, all normalised.

    `answer`: whether one of the answers still stands there; `answer words`: share of the words of
    the best kept of them; `answer, letters`: as `answer`, by letters and digits without accents.
    """

    name = "survival"
    metrics = (Metric("answer"), Metric("answer words"), Metric("answer, letters"))
    groups = None

    def __init__(self, questions: Sequence[Question]) -> None:
        """Answers that the passage doesn't hold are left out. Raises `ValueError` for none left."""
        self._texts = [question.text for question in questions]
        self._answers = [
            [answer for answer in question.answers if holds_answer(question.text, [answer])]
            for question in questions
        ]
        if not all(self._answers):
            raise ValueError("survival: a passage holds none of its answers")
        self.items = [question.id for question in questions]
        self.identity = fingerprint("survival 2", fingerprint_of_questions(questions))

    def texts(self) -> Sequence[str]:
        return self._texts

    def score(self, compressed: Sequence[str]) -> Scores:
        pairs = list(zip(compressed, self._answers, strict=True))
        return {
            "answer": np.array([holds_answer(text, answers) for text, answers in pairs], float),
            "answer words": np.array([words_kept(text, answers) for text, answers in pairs], float),
            "answer, letters": np.array(
                [holds_letters(text, answers) for text, answers in pairs], float
            ),
        }


def words_kept(text: str, answers: Sequence[str]) -> float:
    """The largest share of an answer's words, normalised, that `text` has as often; 0 to 1."""
    there = Counter(normalise(text).split())
    shares = [0.0]
    for answer in answers:
        wanted = Counter(normalise(answer).split())
        if wanted:
            shares.append((wanted & there).total() / wanted.total())
    return max(shares)


def holds_letters(text: str, answers: Sequence[str]) -> bool:
    """Whether the letters and digits of an answer, normalised, stand in `text` one by one."""
    searched = _letters(text)
    return any(wanted in searched for answer in answers if (wanted := _letters(answer)))


def _letters(text: str) -> str:
    parts = unicodedata.normalize("NFD", normalise(text))
    return "".join(character for character in parts if character.isalnum())
