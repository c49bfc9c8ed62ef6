"""How problems stand before a language model: worked examples, and the one that is posed."""

import re

QUESTION, ANSWER = "Question: ", "Answer: "
SEPARATOR = "\n\n"
"""Between examples, and before the problem that is posed."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_MARKED = re.compile(r"(?:####|[Tt]he answer is)\s*[^\d\s-]{0,2}(-?\d[\d,]*(?:\.\d+)?)")


def worked(question: str, solution: str) -> str:
    """A problem with its solution, as it stands in a prompt."""
    return f"{QUESTION}{question}\n{ANSWER}{solution}"


def few_shot_prompt(shots: str, question: str) -> str:
    """The worked examples, a blank line, the problem, and where its solution begins."""
    asked = f"{QUESTION}{question}\n{ANSWER.rstrip()}"
    return f"{shots}{SEPARATOR}{asked}" if shots.strip() else asked


def final_answer(solution: str) -> float | None:
    """The number that a solution ends in: after its answer mark, else its last one; None: none."""
    marked = _MARKED.findall(solution)
    found = marked or _NUMBER.findall(solution)
    return float(found[-1].replace(",", "")) if found else None
