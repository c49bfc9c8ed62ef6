"""How likely a gold solution is to a language model behind a few-shot prompt; what it answers.

Items: problems. What is judged are the examples in front of each, which differ by problem.
"""

from collections.abc import Sequence

import numpy as np

from compressor.engine.subwords import TokenCounter
from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.tasks.task import Metric, Scores
from compressor.reader.prompts import SEPARATOR, few_shot_prompt, final_answer
from compressor.reader.reader import Reader
from compressor.reinforce.shots import Shot

NLL = Metric("NLL", higher_is_better=False)
EXACT = Metric("exact match")
EXAMPLES = Metric("examples")


class FewShot:
    """`NLL`: nats a token of the gold solution; `exact match`: whether the model's own answer ends
    in the right number, where `generate` asks for it; `examples`: how many there are in the prompt.
    """

    name = "shots"
    groups = None

    def __init__(
        self,
        problems: Sequence[Shot],
        reader: Reader,
        counter: TokenCounter,
        *,
        generate: bool,
        max_new_tokens: int,
    ) -> None:
        self._problems, self._reader = problems, reader
        self._generate, self._max_new_tokens = generate, max_new_tokens
        self._solutions = [f" {problem.solution}" for problem in problems]
        self._tokens = counter.count(self._solutions)
        self.items = [problem.id for problem in problems]
        self.metrics = [NLL, *([EXACT] if generate else []), EXAMPLES]
        self.identity = fingerprint(
            "few-shot 1",
            [[problem.question, problem.solution] for problem in problems],
            reader.identity,
            generate and max_new_tokens,
        )

    def texts(self) -> Sequence[str]:
        return [problem.question for problem in self._problems]

    def score(self, compressed: Sequence[str]) -> Scores:
        asked = zip(compressed, self._problems, strict=True)
        prompts = [few_shot_prompt(shots, problem.question) for shots, problem in asked]
        losses = np.asarray(self._reader.nll(prompts, self._solutions), np.float64)
        counts = [sum(bool(part.strip()) for part in s.split(SEPARATOR)) for s in compressed]
        scores = {NLL.name: losses / self._tokens, EXAMPLES.name: np.array(counts, np.float64)}
        if self._generate:
            answers = self._reader.generate(
                prompts, max_new_tokens=self._max_new_tokens, stop=SEPARATOR
            )
            wanted = [final_answer(problem.solution) for problem in self._problems]
            right = [
                gold is not None and final_answer(answer) == gold
                for answer, gold in zip(answers, wanted, strict=True)
            ]
            scores[EXACT.name] = np.array(right, np.float64)
        return scores
