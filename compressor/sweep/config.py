"""The configuration of `sweep`: the sections of `compress`, and its own."""

import re
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from compressor.config import CompressSections, Rate
from compressor.evaluate.config import DataSection
from compressor.schema import Section, require

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MOST_RATES = 100
_RANGE = re.compile(r"\s*([\d.]+?)\s*\.\.\s*([\d.]+)\s*")


class SweepSection(Section):
    rates: list[Rate] | str = Field(
        default="0.2..0.8", min_length=1, description="a list of rates, or a range FROM..TO"
    )
    step: float = Field(
        default=0.1, gt=0, le=1, allow_inf_nan=False, description="between the rates of a range"
    )
    rows: int = Field(default=400, ge=1, description="rows of the sample at most")
    megabytes: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="text of the sample at most, roughly"
    )
    questions: int = Field(
        default=400, ge=1, description="questions of data.path at most, drawn by sweep.seed"
    )
    encoder: str | None = Field(
        default=None,
        description="embedding model for the similarity to the original: local directory or hub "
        "id; null = none",
    )
    encoder_tokens: int = Field(
        default=512, ge=8, description="records of more of its tokens are not compared"
    )
    seed: int = Field(default=0, ge=0, description="of the sample and of resampling")
    resamples: int = Field(default=2000, ge=100, description="bootstrap samples of the intervals")
    path: str = Field(default="", description="directory for the results: JSON, CSV and plots")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )

    @model_validator(mode="after")
    def _rates_are_there(self) -> Self:
        found = self.all_rates
        if len(set(found)) < len(found):
            raise ValueError("sweep.rates: names a rate twice")
        return self

    @property
    def all_rates(self) -> list[float]:
        """The rates, rising. Raises `ValueError` for what is no range of rates."""
        if not isinstance(self.rates, str):
            return sorted(self.rates)
        match = _RANGE.fullmatch(self.rates)
        try:
            first, last = (Decimal(end) for end in match.groups()) if match else (None, None)
            rate = TypeAdapter(Rate)
            ends = (rate.validate_python(end) for end in (first, last))
            if first is None or last is None or next(ends) > next(ends):
                raise ValueError
        except (ValueError, ArithmeticError, ValidationError):
            raise ValueError(
                f"sweep.rates: {self.rates!r} is no range FROM..TO with 0 < FROM <= TO <= 1, such "
                "as 0.2..0.8, nor a list"
            ) from None
        step = Decimal(str(self.step))
        count = int((last - first) / step) + 1
        if count > MOST_RATES:
            raise ValueError(f"sweep.step: {self.step} makes {count:,} rates; {MOST_RATES} at most")
        return [float(first + step * number) for number in range(count)]


class FloorsSection(Section):
    """What must be kept; measured by the lower end of its 95 % interval.

    The defaults are what the shipped model surely keeps at 0.5, and not at 0.4, of 400 passages of
    Wikipedia with questions (NaturalQuestions-Open).
    """

    numbers: Share | None = Field(
        default=0.97, description="least share of numbers kept; null = any"
    )
    names: Share | None = Field(default=0.95, description="least share of names kept; null = any")
    negations: Share | None = Field(
        default=0.97, description="least share of negations kept; null = any"
    )
    answers: Share | None = Field(
        default=0.90, description="least share of answers that survive, with data.path; null = any"
    )
    similarity: Share | None = Field(
        default=None,
        description="least mean similarity to the original, with sweep.encoder; null = any",
    )


class SweepConfig(CompressSections):
    """The configuration of `compress`, so that one file serves both; only the input must be set."""

    sweep: SweepSection = SweepSection()
    floors: FloorsSection = FloorsSection()
    data: DataSection = DataSection()

    @model_validator(mode="after")
    def _path(self) -> Self:
        require(input=self.input)
        return self
