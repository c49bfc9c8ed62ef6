"""The configuration of `inspect` and of `report`."""

from typing import Self

from pydantic import model_validator

from compressor.config import CompressSections
from compressor.schema import require


class InspectConfig(CompressSections):
    """The configuration of `compress`, so that one file serves both; only the input must be set."""

    @model_validator(mode="after")
    def _path(self) -> Self:
        require(input=self.input)
        return self


class ReportConfig(CompressSections):
    """The same; only the output must be set, and of the rest `report` alone is used."""

    @model_validator(mode="after")
    def _path(self) -> Self:
        require(output=self.output)
        return self
