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
    everything = inputs.all_questions("retrieval")
    return Retrieval(
        inputs.drawn(inputs.questions("retrieval")),
        passages=[question.text for question in everything] + further,
        titles={question.text: question.title for question in reversed(everything)},
        embeddings=Embeddings(section.model, config.model.device, max_tokens=section.max_tokens),
    )


def _reader(config: "EvaluateConfig", inputs: "Inputs") -> "Task":
    from compressor.evaluate.tasks.reading import Reading
    from compressor.reader.reader import open_reader

    questions = inputs.drawn(inputs.answerable("reader"))
    return Reading(questions, open_reader(config.reader), config.reader)


def _meetings(config: "EvaluateConfig", inputs: "Inputs") -> "Task":
    from compressor.evaluate.meetings import load_queries
    from compressor.evaluate.tasks.meetings import Meetings
    from compressor.reader.reader import open_reader

    queries = inputs.drawn(load_queries(config, inputs.excluded_texts, inputs.say))
    return Meetings(queries, open_reader(config.reader), config.reader)


def _math(config: "EvaluateConfig", inputs: "Inputs") -> "Task":
    from compressor.evaluate.problems import load_problems, load_shots
    from compressor.evaluate.tasks.worked import WorkedExamples
    from compressor.reader.reader import open_reader

    problems = inputs.drawn(load_problems(config, inputs.trained_on))
    return WorkedExamples(
        problems, load_shots(config, inputs.trained_on), open_reader(config.reader)
    )


TASKS: "dict[str, Load]" = {
    "survival": _survival,
    "facts": _facts,
    "retrieval": _retrieval,
    "reader": _reader,
    "meetings": _meetings,
    "math": _math,
}
