"""The configuration of `estimate`: the sections of `compress`, and its own."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from compressor.config import CompressSections
from compressor.schema import Section, require

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EstimateSection(Section):
    rows: int | None = Field(
        default=None, ge=1, description="rows of the sample at most; null = 1024, with a GPU 65536"
    )
    megabytes: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="text of the sample at most, roughly; null = 2, with a GPU 64",
    )
    seed: int = Field(default=0, ge=0, description="of the sample and of resampling")
    confidence: float = Field(
        default=0.95, gt=0, lt=1, description="of the intervals: how often they hold the truth"
    )
    resamples: int = Field(default=2000, ge=100, description="bootstrap samples")
    replicas: int | None = Field(
        default=None,
        ge=1,
        description="replicas that the job will have; null = cluster.replicas, or as many as here",
    )
    tokens_per_second: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="of a replica there, where it is known; null = measured here",
    )
    startup_seconds: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="before the first row and after the last, where known; null = measured here",
    )
    price_per_gpu_hour: Price | None = Field(
        default=None, description="of a GPU, with the machine that it is in"
    )
    price_per_cpu_hour: Price | None = Field(
        default=None, description="of a CPU; of replicas with a GPU, of the CPUs beside it"
    )
    path: str = Field(default="", description="file (any fsspec URL) for the figures as JSON")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )


class EstimateConfig(CompressSections):
    """The configuration of `compress`, so that one file serves both; only the input must be set."""

    estimate: EstimateSection = EstimateSection()

    @model_validator(mode="after")
    def _path(self) -> Self:
        require(input=self.input)
        return self
