"""Tasks by name. A new one is a function here that makes it of the configuration and the data.

Imports stand inside the functions: `--help` shows the names and loads nothing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compressor.evaluate.config import EvaluateConfig
    from compressor.evaluate.inputs import Inputs
    from compressor.evaluate.tasks.task import Task

    Load = Callable[[EvaluateConfig, Inputs], Task]


def load_task(name: str, config: "EvaluateConfig", inputs: "Inputs") -> "Task":
    """The task of that name. Raises `InputError` for what the user can mend."""
    return TASKS[name](config, inputs)


def _survival(_: "EvaluateConfig", inputs: "Inputs") -> "Task":
    from compressor.evaluate.tasks.survival import Survival

    return Survival(inputs.drawn(inputs.answerable("survival")))


def _facts(config: "EvaluateConfig", inputs: "Inputs") -> "Task":
    from compressor.evaluate.tasks.facts import Facts

    if config.facts.path is None:
        texts = [question.text for question in inputs.questions("facts")]
    else:
        texts = inputs.texts(config.facts.path, config.facts.text_column, key="facts.path")
    return Facts(inputs.drawn(list(dict.fromkeys(texts))))


def _retrieval(config: "EvaluateConfig", inputs: "Inputs") -> "Task":
    from compressor.evaluate.tasks.embeddings import Embeddings
    from compressor.evaluate.tasks.retrieval import Retrieval

    section = config.retrieval
    further = (
        inputs.texts(section.distractors, section.distractors_column, key="retrieval.distractors")
        if section.distractors
        else []
    )
    return Retrieval(
        inputs.drawn(inputs.questions("retrieval")),
        passages=[question.text for question in inputs.all_questions("retrieval")] + further,
        embeddings=Embeddings(section.model, config.model.device, max_tokens=section.max_tokens),
    )


TASKS: "dict[str, Load]" = {
    "survival": _survival,
    "facts": _facts,
    "retrieval": _retrieval,
}
