"""The configuration of the job `prune_shots`: every key, its default, check and help."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from compressor.config import ClusterSection
from compressor.schema import Section, require


class PoolSection(Section):
    path: str = Field(
        default="",
        description="worked examples: file, directory or glob of Parquet on any fsspec filesystem",
    )
    question_column: str = Field(default="question", min_length=1, description="the problem")
    solution_column: str = Field(
        default="solution", min_length=1, description="its solution, worked out"
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )


class QuestionsSection(Section):
    path: str = Field(
        default="",
        description="questions, each to get a prompt of its own: Parquet like pool.path; empty = "
        "one prompt for all questions",
    )
    question_column: str = Field(default="question", min_length=1, description="the question")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )


class PolicySection(Section):
    path: str = Field(
        default="default",
        min_length=1,
        description="default (shipped, for worked mathematics), or what the job reinforce wrote to "
        "its output.path",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )
    encoder: str | None = Field(
        default=None, description="where its encoder is now; null = where it was when it learnt"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto | cpu | cuda")


class PromptSection(Section):
    budget: int = Field(default=2048, ge=1, description="T: tokens of a prompt's examples at most")
    candidates: int = Field(
        default=64, ge=1, description="the nearest examples, among which the policy chooses"
    )
    tokenizer: str | None = Field(
        default=None,
        description="what counts tokens: null = as while learning; tiktoken:NAME, directory, hub "
        "id or .gguf of the model that will read",
    )
    leave_out_itself: bool = Field(
        default=True,
        description="a question's own example, and others that tell it anew, are not shown to it",
    )


class OutputSection(Section):
    path: str = Field(default="", description="directory of the prompts")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )
    max_error_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="share of rows with status error beyond which the job stops",
    )


class PruneConfig(Section):
    """Everything that the job `prune_shots` reads from its configuration."""

    pool: PoolSection = PoolSection()
    questions: QuestionsSection = QuestionsSection()
    policy: PolicySection = PolicySection()
    prompt: PromptSection = PromptSection()
    output: OutputSection = OutputSection()
    cluster: ClusterSection = ClusterSection()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        require(pool=self.pool, output=self.output)
        return self
