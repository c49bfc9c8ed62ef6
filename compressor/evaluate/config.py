"""The configuration of the job `evaluate`: every key, its default, check and help."""

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from compressor.config import ModelSection, Rate
from compressor.evaluate.contenders.registry import CONTENDERS
from compressor.evaluate.tasks.registry import TASKS
from compressor.reader.config import ReaderSection
from compressor.schema import Section, require

Filler = Literal["pruned", "random", "retrieval", "compressed", "truncated"]
SHOTS = "shots"
"""The task that has budgets and contenders of its own."""
_LABEL = re.compile(r"[\w.@+-]+")


def _without_repeats(names: list[Any], value: list[Any]) -> list[Any]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"names {name} twice")
    return value


class EvaluateSection(Section):
    contenders: list[str] = Field(
        default=["ours", "random", "truncate", "stopwords", "tfidf", "llmlingua2"],
        min_length=1,
        description="what is compared: names, or LABEL=CHECKPOINT for further checkpoints of ours",
    )
    rates: list[Rate] = Field(
        default=[0.5, 0.33, 0.2], min_length=1, description="tokens kept / tokens of the original"
    )
    tasks: list[str] = Field(
        default=["survival", "facts", "retrieval"],
        min_length=1,
        description="what compressions are judged by",
    )
    reference: str | None = Field(
        default=None,
        description="the contender that all others are tested against; null = the first",
    )
    tokenizer: str | None = Field(
        default=None,
        description="what counts tokens for all: null = the shipped model's, tiktoken:NAME, "
        "directory, hub id",
    )
    limit: int | None = Field(
        default=None, ge=1, description="items of each task at most, drawn by evaluate.seed"
    )
    exclude: list[str] = Field(
        default_factory=list,
        description="files of passages that were trained on (JSONL, Parquet): rows with such an "
        "id or text are left out",
    )
    seed: int = Field(default=0, ge=0, description="of samples, random words and resampling")
    resamples: int = Field(default=10_000, ge=100, description="bootstrap samples and permutations")

    @field_validator("contenders")
    @classmethod
    def _known_contenders(cls, value: list[str]) -> list[str]:
        for entry in value:
            label, equals, checkpoint = entry.partition("=")
            if not equals and entry not in CONTENDERS:
                raise ValueError(
                    f"{entry!r} is none; there are {', '.join(CONTENDERS)}, and LABEL=CHECKPOINT"
                )
            if equals and (not checkpoint or not _LABEL.fullmatch(label)):
                raise ValueError(f"{entry!r}: a further checkpoint is written LABEL=CHECKPOINT")
            if equals and label in CONTENDERS and label != "ours":
                raise ValueError(f"{entry!r}: {label} is the name of another contender")
        return _without_repeats([entry.partition("=")[0] for entry in value], value)

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in {*TASKS, SHOTS}:
                raise ValueError(f"{name!r} is none; there are {', '.join([*TASKS, SHOTS])}")
        if SHOTS in value and len(value) > 1:
            raise ValueError(
                f"{SHOTS} has budgets and contenders of its own; give it a run of its own"
            )
        return _without_repeats(value, value)

    @field_validator("rates")
    @classmethod
    def _distinct_rates(cls, value: list[float]) -> list[float]:
        return _without_repeats(value, value)

    @model_validator(mode="after")
    def _reference_takes_part(self) -> Self:
        if self.reference is not None and self.reference not in self.names:
            raise ValueError(
                f"evaluate.reference: {self.reference!r} is none of evaluate.contenders "
                f"({', '.join(self.names)})"
            )
        return self

    @property
    def names(self) -> list[str]:
        """The contenders by name or label, in order."""
        return [entry.partition("=")[0] for entry in self.contenders]


class DataSection(Section):
    path: str = Field(
        default="",
        description="questions with their answers and passage: JSONL (.gz) or Parquet, on any "
        "fsspec filesystem",
    )
    text_column: str = Field(default="text", min_length=1, description="the passage")
    question_column: str = Field(default="question", min_length=1, description="the question")
    answers_column: str = Field(
        default="answers", min_length=1, description="accepted answers, a list or one string"
    )
    id_column: str = Field(
        default="id", min_length=1, description="the row's id, where there is such a column"
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec, for all files that are read"
    )


class FactsSection(Section):
    path: str | None = Field(
        default=None, description="texts (JSONL, Parquet); null = the passages of data.path"
    )
    text_column: str = Field(default="text", min_length=1, description="the text")


class RetrievalSection(Section):
    model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        min_length=1,
        description="embedding model that pools by the mean: local directory or hub id",
    )
    max_tokens: int = Field(
        default=256, ge=8, description="tokens of a text that the embedding model gets to see"
    )
    title_column: str | None = Field(
        default=None,
        description="a column of data.path that an index keeps beside the passage, such as its "
        "title: embedded in front of it, never compressed",
    )
    distractors: str | None = Field(
        default=None, description="further passages to search among (JSONL, Parquet)"
    )
    distractors_column: str = Field(default="text", min_length=1, description="their text")


class MeetingsSection(Section):
    path: str = Field(
        default="",
        description="meetings with queries in QMSum's format (transcript, queries with spans)",
    )
    max_words: int = Field(
        default=2000, ge=1, description="queries that rest on more words are left out"
    )


class MathSection(Section):
    path: str = Field(default="", description="problems: question, answer (JSONL, Parquet)")
    shots_path: str = Field(default="", description="other problems, for the worked examples")
    shots: int = Field(
        default=8, ge=1, description="worked examples before each problem, drawn by evaluate.seed"
    )


class ShotsSection(Section):
    path: str = Field(
        default="", description="problems that are posed: question, solution or answer (JSONL ...)"
    )
    pool: list[str] = Field(
        default=[], description="worked examples to fill prompts with, files of the same form"
    )
    policy: str = Field(
        default="default",
        min_length=1,
        description="default (shipped), or what the job reinforce wrote to its output.path",
    )
    encoder: str | None = Field(
        default=None, description="where the policy's encoder is now; null = where it was"
    )
    tokenizer: str | None = Field(
        default=None, description="what counts budgets: null = as while the policy learnt"
    )
    budgets: list[Annotated[int, Field(ge=8)]] = Field(
        default=[1024, 2048], min_length=1, description="tokens of the examples of a prompt"
    )
    candidates: int = Field(
        default=64, ge=1, description="the nearest examples, among which contenders choose"
    )
    contenders: list[Filler] = Field(
        default=list(get_args(Filler)),
        min_length=1,
        description="the first one is what the others are tested against",
    )
    policies: list[str] = Field(
        default=[], description="further policies over the same encoder, as LABEL=DIRECTORY"
    )

    @field_validator("policies")
    @classmethod
    def _labelled(cls, value: list[str]) -> list[str]:
        for entry in value:
            label, _, path = entry.partition("=")
            if not path or not _LABEL.fullmatch(label) or label in get_args(Filler):
                raise ValueError(f"{entry!r}: a further policy is written LABEL=DIRECTORY")
        return _without_repeats([entry.partition("=")[0] for entry in value], value)

    @field_validator("budgets", "contenders")
    @classmethod
    def _distinct(cls, value: list[Any]) -> list[Any]:
        return _without_repeats(value, value)


class PerplexitySection(Section):
    model: str | None = Field(
        default=None,
        description="the local causal language model of the contenders selective_context and "
        "llmlingua1; null = reader.model",
    )
    segment_tokens: int = Field(
        default=100, ge=1, description="tokens that llmlingua1 judges at a time"
    )


class OutputSection(Section):
    path: str = Field(
        default="", description="directory of the results; a rerun computes what is missing there"
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )


class EvaluateConfig(Section):
    """Everything that the job `evaluate` reads from its configuration."""

    evaluate: EvaluateSection = EvaluateSection()
    data: DataSection = DataSection()
    facts: FactsSection = FactsSection()
    retrieval: RetrievalSection = RetrievalSection()
    reader: ReaderSection = ReaderSection()
    meetings: MeetingsSection = MeetingsSection()
    math: MathSection = MathSection()
    shots: ShotsSection = ShotsSection()
    perplexity: PerplexitySection = PerplexitySection()
    model: ModelSection = ModelSection()
    output: OutputSection = OutputSection()

    @model_validator(mode="after")
    def _paths(self) -> Self:
        require(output=self.output)
        return self
