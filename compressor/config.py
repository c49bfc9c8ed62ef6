"""The configuration of `compress`: the one place where a key, its default, check and help live."""

from typing import Annotated, Any, Literal, Self

import regex
from pydantic import Field, field_validator, model_validator

from compressor.schema import Section, require

Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Auto = Literal["auto"]
NAME = "default"


class InputSection(Section):
    path: str = Field(
        default="", description="file, directory or glob of Parquet on any fsspec filesystem"
    )
    text_column: str | list[str] = Field(
        default="text",
        description="the column that is compressed (text, or lists of passages), or a list of "
        "columns",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )

    @property
    def text_columns(self) -> list[str]:
        return [self.text_column] if isinstance(self.text_column, str) else self.text_column

    @field_validator("text_column")
    @classmethod
    def _columns(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("names at least one column")
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError("names a column twice")
        return value


class OutputSection(Section):
    path: str = Field(default="", description="directory of the compressed dataset")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )
    format: Literal["auto", "parquet", "delta"] = Field(
        default="auto",
        description="parquet | delta (a Delta Lake table) | auto: delta for refresh, else parquet",
    )
    max_error_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="share of rows with status error beyond which the job stops, unpublished",
    )
    vacuum: bool = Field(
        default=False,
        description="delta: then delete what no retained version needs",
    )
    retention_hours: int = Field(
        default=168, ge=0, description="delta: how long vacuum keeps what a version has replaced"
    )
    price_per_million_tokens: float = Field(
        default=1.0, ge=0, description="what a million tokens cost, for the saving in the summary"
    )


class ModelSection(Section):
    name: str = Field(
        default=NAME,
        min_length=1,
        description='"default" (shipped), a local directory, a hub id, or an s3:// directory',
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto | cpu | cuda")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto | float32 | bfloat16 | float16"
    )
    max_batch_tokens: Auto | Annotated[int, Field(ge=512)] = Field(
        default="auto", description="sub-words in one forward pass; auto: by device and memory"
    )


class CompressionSection(Section):
    rate: Rate = Field(
        default=0.5, description="tokens kept / tokens of the original, 0 < rate <= 1"
    )
    target_tokens: int | None = Field(
        default=None, ge=1, description="tokens of each compressed record; overrides rate"
    )
    rate_column: str | None = Field(
        default=None, description="column of per-record rates; overrides rate where not null"
    )
    scope: Literal["record", "corpus"] = Field(
        default="record",
        description="record: each record meets the rate; corpus: one threshold for all of them",
    )
    force_tokens: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list, description="words or characters that are always kept"
    )
    force_reserve_digit: bool = Field(default=False, description="every word with a digit is kept")
    drop_consecutive: bool = Field(
        default=False, description="runs of the same force token collapse to one"
    )
    protect: list[str] = Field(
        default_factory=list, description="regular expressions; what they match is kept verbatim"
    )
    tokenizer: str | None = Field(
        default=None,
        description="what counts tokens: null = the model's own, tiktoken:NAME, directory, hub id",
    )
    coarse: Literal["none", "sentence"] = Field(
        default="none",
        description="sentence: the least likely sentences are dropped first (of a list of "
        "passages, passages), then words",
    )
    coarse_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="share of the tokens that the sentences hold which stay; null = (rate + 1) / 2",
    )

    @field_validator("protect")
    @classmethod
    def _patterns(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _scope_has_a_rate(self) -> Self:
        per_record = {"target_tokens": self.target_tokens, "rate_column": self.rate_column}
        given = [f"compression.{key}" for key, value in per_record.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; unset one of them")
        if self.scope == "corpus" and given:
            raise ValueError(
                f"{given[0]} is per record and has no meaning with compression.scope=corpus; "
                "unset one of them"
            )
        return self

    @model_validator(mode="after")
    def _share_has_a_stage(self) -> Self:
        if self.coarse == "none" and self.coarse_share is not None:
            raise ValueError(
                "compression.coarse_share has no meaning with compression.coarse=none; "
                "set coarse=sentence, or unset it"
            )
        return self


class ClusterSection(Section):
    address: str | None = Field(
        default=None, description="null = start Ray here; auto; ray://HOST:PORT"
    )
    replicas: Auto | Annotated[int, Field(ge=1)] | list[Annotated[int, Field(ge=1)]] = Field(
        default="auto", description="model replicas: auto, a number, or [min, max]"
    )
    cpus_per_replica: Auto | Annotated[float, Field(gt=0)] = Field(
        default="auto", description="CPUs (and threads) of a replica"
    )
    gpus_per_replica: Auto | Annotated[float, Field(ge=0)] = Field(
        default="auto", description="GPUs of a replica; a fraction shares one"
    )
    wait_seconds: float = Field(
        default=900.0, ge=0, description="how long to wait for nodes that an autoscaler may add"
    )
    rows_per_shard: int = Field(
        default=4096, ge=1, description="rows of a shard at most: one actor call, one output file"
    )

    @field_validator("replicas")
    @classmethod
    def _bounds(cls, value: Any) -> Any:
        if isinstance(value, list) and (len(value) != 2 or value[0] > value[1]):
            raise ValueError("a range of replicas is [min, max] with min <= max")
        return value


class ReportSection(Section):
    embedding_model: str | None = Field(
        default=None,
        description="directory or hub id of an encoder: how near to the original some texts stay",
    )


class CompressSections(Section):
    """The sections of `compress`, for each job that takes its file."""

    input: InputSection = InputSection()
    output: OutputSection = OutputSection()
    model: ModelSection = ModelSection()
    compression: CompressionSection = CompressionSection()
    cluster: ClusterSection = ClusterSection()
    report: ReportSection = ReportSection()


class CompressConfig(CompressSections):
    """Everything that the job `compress` reads from its configuration."""

    @model_validator(mode="after")
    def _paths(self) -> Self:
        require(input=self.input, output=self.output)
        return self

    def published_as(self, form: Literal["parquet", "delta"]) -> Self:
        """The same with `output.format` set."""
        output = self.output.model_copy(update={"format": form})
        return self.model_copy(update={"output": output})
