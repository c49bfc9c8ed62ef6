"""The configuration of `benchmark`: the sections of `compress` that matter here, and its own."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from compressor.config import ClusterSection, CompressionSection, ModelSection
from compressor.schema import Section

Name = Literal[
    "limit",
    "forward",
    "engine",
    "engine-float32",
    "engine-parts",
    "transformers-forward",
    "transformers-compile",
    "transformers-pipeline",
    "llmlingua-list",
    "llmlingua-single",
]
Architecture = Literal["xlm-roberta-large", "xlm-roberta-base", "bert-base"]
ALL: list[Name] = list(get_args(Name))
Count = Annotated[int, Field(ge=1)]


class BenchmarkSection(Section):
    texts: str | None = Field(
        default=None,
        description="Parquet, JSONL or JSONL.gz with a text column; null = the demo corpus",
    )
    text_column: str = Field(default="text", min_length=1, description="the column or field")
    passages: Count = Field(
        default=500, description="texts from the start of the file; where it has fewer, they repeat"
    )
    slow_passages: Count | None = Field(
        default=None, description="texts that llmlingua and the pipeline get; null = all"
    )
    architecture: Architecture | None = Field(
        default=None, description="random weights of this architecture instead of model.name"
    )
    rounds: Count = Field(default=5, description="alternating rounds; the median counts")
    contenders: list[Name] = Field(
        default=ALL, min_length=1, description="what is timed (engine is always)"
    )
    batch_size: Count = Field(default=32, description="texts in a batch of the pipeline")
    batch_tokens: Count | None = Field(
        default=None,
        description="tokens in a batch of the plain forward; null = 8192, on a GPU 32768",
    )
    job: bool = Field(default=True, description="time the whole Ray job too")
    job_repeat: Count = Field(
        default=40, description="the job's rows for each of the texts, made distinct"
    )
    job_rounds: Count = Field(default=1, description="runs of the job; the median counts")
    startup: bool = Field(default=True, description="time what a job does before its first row")
    curve: list[Count] = Field(
        default_factory=list, description="corpus sizes in passages; the job is timed on each"
    )
    lengths: list[Count] = Field(
        default_factory=list, description="record lengths in words; the engine is timed on each"
    )
    replicas: list[Count] = Field(
        default_factory=list, description="numbers of replicas; the job is timed with each"
    )
    output: str = Field(
        default="benchmark", min_length=1, description="folder of benchmark.json and benchmark.md"
    )


class BenchmarkConfig(Section):
    """Everything that the job `benchmark` reads from its configuration."""

    benchmark: BenchmarkSection = BenchmarkSection()
    model: ModelSection = ModelSection()
    compression: CompressionSection = CompressionSection()
    cluster: ClusterSection = ClusterSection()
