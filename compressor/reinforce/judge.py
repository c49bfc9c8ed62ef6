"""The judge: how likely the gold solution is to a frozen language model behind a pruned prompt.

In: requests (pruned prompts of one question, its gold solution). Out: the loss for each prompt, and
whether the model's own answer is right. Requests are judged so many at a time, in this process or
by a replica, so that the figures don't depend on how many replicas there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from compressor.engine.subwords import TokenCounter
from compressor.reader.config import ReaderSection
from compressor.reader.loading import load_counter_of
from compressor.reader.prompts import SEPARATOR, few_shot_prompt, final_answer
from compressor.reader.reader import Reader, open_reader

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Request:
    """Pruned prompts (the shots alone) in front of one question, and its gold solution.

    question: None where a prompt is already all that stands in front of what is wanted.
    """

    prompts: Sequence[str]
    question: str | None
    solution: str

    def whole(self, prompt: str) -> str:
        """What the judge reads in front of the solution."""
        return prompt if self.question is None else few_shot_prompt(prompt, self.question)


@dataclass(frozen=True, slots=True)
class Verdict:
    """loss: float64 [prompts], nats a token of the gold solution; right: float64 [prompts], 1 where
    the model's own answer ends in the right number, 0 elsewhere or where it isn't asked for.
    """

    loss: Floats
    right: Floats


class Judge(Protocol):
    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        """One verdict for each request, in order."""
        ...


class LocalJudge:
    """A reader in this process (a local model, or a server that gives likelihoods)."""

    def __init__(
        self, section: ReaderSection, counter: TokenCounter, questions_at_once: int = 1
    ) -> None:
        """counter: the judge's tokenizer; questions_at_once: requests that are read together.

        Raises `InputError` where there is no such model.
        """
        self._at_once = questions_at_once
        self._section = section
        self._counter = counter
        self._reader: Reader = open_reader(section)
        self.identity = self._reader.identity

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        return [
            verdict for some in grouped(requests, self._at_once) for verdict in self._read(some)
        ]

    def _read(self, requests: Sequence[Request]) -> list[Verdict]:
        # Each prompt of a request once: some are empty, and a settled policy repeats itself.
        asked = [list(dict.fromkeys(request.prompts)) for request in requests]
        owner = np.repeat(np.arange(len(requests)), [len(prompts) for prompts in asked])
        prompts = [
            request.whole(prompt)
            for request, own in zip(requests, asked, strict=True)
            for prompt in own
        ]
        solutions = [f" {request.solution.strip()}" for request in requests]
        tokens = self._counter.count(solutions).clip(min=1)[owner]
        loss = np.asarray(self._reader.nll(prompts, [solutions[at] for at in owner])) / tokens
        right = np.zeros(len(prompts))
        if self._section.generate:
            wanted = [final_answer(request.solution) for request in requests]
            answers = self._reader.generate(
                prompts, max_new_tokens=self._section.max_new_tokens, stop=SEPARATOR
            )
            right = np.array(
                [
                    wanted[at] is not None and final_answer(answer) == wanted[at]
                    for at, answer in zip(owner, answers, strict=True)
                ],
                np.float64,
            )
        verdicts = []
        for number, (request, own) in enumerate(zip(requests, asked, strict=True)):
            place = dict(zip(own, np.flatnonzero(owner == number).tolist(), strict=True))
            at = [place[prompt] for prompt in request.prompts]
            verdicts.append(Verdict(loss[at], right[at]))
        return verdicts


def grouped(requests: Sequence[Request], size: int) -> list[Sequence[Request]]:
    """The requests in order, `size` at a time."""
    return [requests[at : at + size] for at in range(0, len(requests), size)]


def judge_counter(section: ReaderSection, tokenizer: str | None) -> TokenCounter:
    """What counts the budget: `tokenizer`, else that of the section's local model."""
    return load_counter_of(tokenizer or section.model)
