"""The configuration of `benchmark`: the sections of `compress` that matter here, and its own."""

from typing import Literal

from pydantic import Field

from compressor.config import ClusterSection, CompressionSection, ModelSection
from compressor.schema import Section

Name = Literal[
    "engine", "engine-float32", "llmlingua-list", "llmlingua-single", "transformers-pipeline"
]
ALL: list[Name] = [
    "engine",
    "engine-float32",
    "llmlingua-list",
    "llmlingua-single",
    "transformers-pipeline",
]


class BenchmarkSection(Section):
    texts: str | None = Field(
        default=None,
        description="Parquet, JSONL or JSONL.gz with a text column; null = the demo corpus",
    )
    text_column: str = Field(default="text", min_length=1, description="the column or field")
    passages: int = Field(default=500, ge=1, description="texts taken from the start of the file")
    rounds: int = Field(default=5, ge=1, description="alternating rounds; the median counts")
    contenders: list[Name] = Field(
        default=ALL, min_length=1, description="what is timed (engine is always)"
    )
    batch_size: int = Field(default=32, ge=1, description="texts in a batch of the pipeline")
    job: bool = Field(default=True, description="time the whole Ray job too")
    job_repeat: int = Field(
        default=40, ge=1, description="how many times the job's input holds the texts"
    )
    job_rounds: int = Field(default=1, ge=1, description="runs of the job; the median counts")
    output: str = Field(
        default="benchmark", min_length=1, description="folder of benchmark.json and benchmark.md"
    )


class BenchmarkConfig(Section):
    """Everything that the job `benchmark` reads from its configuration."""

    benchmark: BenchmarkSection = BenchmarkSection()
    model: ModelSection = ModelSection()
    compression: CompressionSection = CompressionSection()
    cluster: ClusterSection = ClusterSection()
