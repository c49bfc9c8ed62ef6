"""Any checkpoint of our own engine as a contender: the shipped one, a directory, a hub id.

With `coarse` whole sentences go before words.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from compressor.engine.compressor import Compressor
from compressor.engine.options import Coarse
from compressor.engine.scorer import Auto
from compressor.evaluate.budget import Budget
from compressor.models.resolve import digest, resolve


class Ours:
    """A compressor of this project, its budget counted by the tokenizer of all contenders."""

    def __init__(
        self,
        name: str,
        checkpoint: str,
        budget: Budget,
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_batch_tokens: int | Auto = "auto",
        storage_options: dict[str, Any] | None = None,
        coarse: Coarse = "none",
    ) -> None:
        """Raises `InputError` where there is no such checkpoint; it is loaded when it is used."""
        self.name = name
        self._budget = budget
        self._checkpoint = str(resolve(checkpoint, storage_options))
        self._settings: dict[str, Any] = {
            "device": device,
            "dtype": dtype,
            "max_batch_tokens": max_batch_tokens,
        }
        self._coarse = coarse
        self.identity = f"engine {digest(resolve(self._checkpoint))} {device} {dtype}"
        if coarse != "none":
            self.identity += f" coarse {coarse}"

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        found = self._compressor.compress(
            texts, rate, tokenizer=self._budget.name, coarse=self._coarse
        )
        return [compression.text for compression in found]

    @cached_property
    def _compressor(self) -> Compressor:
        return Compressor.from_pretrained(self._checkpoint, **self._settings)
