"""The judge: how likely the gold solution is to a frozen language model behind a pruned prompt.

In: requests (pruned prompts of one question, its gold solution). Out: the loss for each prompt, and
whether the model's own answer is right. A request is judged as a whole, in this process or by a
replica, so that the figures don't depend on how many replicas there are.
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
    """Pruned prompts (the shots alone) in front of one question, and its gold solution."""

    prompts: Sequence[str]
    question: str
    solution: str


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

    def __init__(self, section: ReaderSection, counter: TokenCounter) -> None:
        """counter: the judge's tokenizer. Raises `InputError` where there is no such model."""
        self._section = section
        self._counter = counter
        self._reader: Reader = open_reader(section)
        self.identity = self._reader.identity

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        return [self._judge(request) for request in requests]

    def _judge(self, request: Request) -> Verdict:
        distinct = list(dict.fromkeys(request.prompts))  # an empty prompt, a settled policy
        prompts = [few_shot_prompt(prompt, request.question) for prompt in distinct]
        solution = f" {request.solution.strip()}"
        tokens = int(self._counter.count([solution])[0])
        loss = np.asarray(self._reader.nll(prompts, [solution] * len(prompts))) / max(1, tokens)
        right = np.zeros(len(prompts))
        if self._section.generate:
            wanted = final_answer(request.solution)
            answers = self._reader.generate(
                prompts, max_new_tokens=self._section.max_new_tokens, stop=SEPARATOR
            )
            right = np.array([wanted is not None and final_answer(a) == wanted for a in answers])
        place = {prompt: at for at, prompt in enumerate(distinct)}
        at = [place[prompt] for prompt in request.prompts]
        return Verdict(loss[at], right.astype(np.float64)[at])


def judge_counter(section: ReaderSection, tokenizer: str | None) -> TokenCounter:
    """What counts the budget: `tokenizer`, else that of the section's local model."""
    return load_counter_of(tokenizer or section.model)
