"""The configuration of the job `distill`: every key, its default, check and help."""

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from compressor.schema import Section, require

Positive = Annotated[int, Field(ge=1)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class InputSection(Section):
    path: str = Field(
        default="", description="file, directory or glob of Parquet on any fsspec filesystem"
    )
    text_column: str = Field(
        default="text", min_length=1, description="the column whose text the teacher shortens"
    )
    id_column: str | None = Field(
        default=None, description="column that names a record; null = file and row number do"
    )
    domain_column: str | None = Field(
        default=None, description="column that becomes `domain` of the output"
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )


class OutputSection(Section):
    path: str = Field(default="", description="directory of the teacher's compressions")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )


class ChunkSection(Section):
    chunk_tokens: int = Field(
        default=512, ge=8, description="tokens of a chunk at most; it ends where a sentence ends"
    )
    tokenizer: str | None = Field(
        default=None,
        description="what counts tokens: null = the shipped model's, tiktoken:NAME, directory, "
        "hub id",
    )


class TeacherSection(Section):
    """Which model is asked, how, and how much of it."""

    base_url: str = Field(
        default="https://api.openai.com/v1",
        description="of any OpenAI-compatible server; /chat/completions is asked below it",
    )
    model: str = Field(default="", description="the teacher's name at that server")
    api_key_env: str = Field(
        default="OPENAI_API_KEY",
        min_length=1,
        description="environment variable that holds the key; where it is unset none is sent",
    )
    instruction: str = Field(
        default="extractive",
        min_length=1,
        description="extractive, two-level, or a file (local or on any fsspec filesystem)",
    )
    temperature: float = Field(default=0.3, ge=0, allow_inf_nan=False, description="of sampling")
    max_tokens: int = Field(default=1024, ge=1, description="tokens of an answer at most")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="more fields of the request (seed, top_p ...); null leaves one out",
    )
    timeout: float = Field(
        default=120.0, gt=0, allow_inf_nan=False, description="seconds that an answer may take"
    )
    attempts: int = Field(
        default=6, ge=1, description="requests for a chunk before it is given up as an error"
    )
    backoff: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="seconds before the second attempt; doubled before each further one",
    )
    concurrency: int = Field(default=16, ge=1, description="requests under way at a time, overall")
    requests_per_minute: Positive | None = Field(
        default=None, description="overall limit; null = none"
    )
    tokens_per_minute: Positive | None = Field(
        default=None, description="overall limit, prompts and answers; null = none"
    )
    max_tokens_spent: Positive | None = Field(
        default=None, description="cap on tokens of prompts and answers, earlier runs included"
    )
    max_cost: Price | None = Field(
        default=None, description="cap on what they cost by the two prices below"
    )
    price_per_million_input_tokens: Price | None = Field(
        default=None, description="what a million tokens of prompts cost"
    )
    price_per_million_output_tokens: Price | None = Field(
        default=None, description="what a million tokens of answers cost"
    )

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("wants http://HOST... or https://HOST...")
        return value

    @model_validator(mode="after")
    def _no_credentials(self) -> Self:
        """Checked here, where the message doesn't show the value."""
        if "@" in urlsplit(self.base_url).netloc:
            raise ValueError(
                "teacher.base_url: holds credentials, which belong in the environment variable "
                "that teacher.api_key_env names"
            )
        return self

    @property
    def prices(self) -> tuple[float, float] | None:
        """Of a million tokens of prompts and of answers, where both are known."""
        given = self.price_per_million_input_tokens, self.price_per_million_output_tokens
        return None if given[0] is None or given[1] is None else (given[0], given[1])


class QualitySection(Section):
    variation_share: Share = Field(
        default=0.05, description="share of chunks not selected for words that aren't in the text"
    )
    gap_share: Share = Field(
        default=0.10, description="share of the others not selected for their alignment gap"
    )


class ClusterSection(Section):
    address: str | None = Field(
        default=None, description="null = start Ray here; auto; ray://HOST:PORT"
    )
    rows_per_shard: int = Field(
        default=1024, ge=1, description="records of a shard at most: one task, one output file"
    )


class DistillConfig(Section):
    """Everything that the job `distill` reads from its configuration."""

    input: InputSection = InputSection()
    output: OutputSection = OutputSection()
    distill: ChunkSection = ChunkSection()
    teacher: TeacherSection = TeacherSection()
    quality: QualitySection = QualitySection()
    cluster: ClusterSection = ClusterSection()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        require(input=self.input, output=self.output)
        if not self.teacher.model:
            raise ValueError("teacher.model: is required")
        if self.teacher.max_cost is not None and self.teacher.prices is None:
            raise ValueError(
                "teacher.max_cost: needs teacher.price_per_million_input_tokens and "
                "teacher.price_per_million_output_tokens"
            )
        return self
