"""The configuration of `verify`: that of the job that wrote the output, found beside it."""

from typing import Self

from pydantic import model_validator

from compressor.config import CompressSections
from compressor.schema import require


class VerifyConfig(CompressSections):
    """The keys of `compress`; what isn't given is as it was when the output was written."""

    @model_validator(mode="after")
    def _path(self) -> Self:
        require(output=self.output)
        return self
