"""The package `llmlingua` (0.2.2) with the same weights, as it is and brought to the same budget.

Its rate is a percentile in each window with a strict comparison, so it keeps less than it is asked
for. `llmlingua2-as-is` asks for the rate; `llmlingua2` asks for the highest one, in the steps of
1 % that it has, whose result fits the budget that all contenders get.
"""

import os
import tempfile
from collections.abc import Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from compressor.evaluate.budget import Budget
from compressor.evaluate.contenders.contender import UnavailableError
from compressor.models.resolve import digest, resolve

_STEPS = 100  # it rounds 1 - rate to whole percents
AS_IS = "-as-is"


class LLMLingua2:
    """`PromptCompressor(use_llmlingua2=True)`; what it gives for a blank text is empty."""

    def __init__(
        self,
        name: str,
        checkpoint: str,
        budget: Budget | None,
        *,
        device: str = "auto",
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        """budget: what its results are brought to; None: it is asked for the rate alone.

        Raises `UnavailableError` where the package or tiktoken's table isn't there.
        """
        self.name = name
        self._budget = budget
        self._device = (
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
        self._folder = resolve(checkpoint, storage_options)
        way = "as is" if budget is None else f"to budget {budget.identity}"
        self.identity = f"llmlingua {_version()} {digest(self._folder)} {way}"

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        if self._budget is None:
            return [self._ask(text, rate) for text in texts]
        targets = self._budget.targets(texts, rate).tolist()
        return [self._fit(text, target) for text, target in zip(texts, targets, strict=True)]

    def _fit(self, text: str, target: int) -> str:
        """The longest result that has at most `target` tokens, by bisection on the rate asked."""
        assert self._budget is not None
        best, low, high = "", 0, _STEPS + 1  # low fits, high doesn't
        while high - low > 1:
            middle = (low + high) // 2
            found = self._ask(text, middle / _STEPS)
            if int(self._budget.count([found])[0]) <= target:
                best, low = found, middle
            else:
                high = middle
        return best

    def _ask(self, text: str, rate: float) -> str:
        if not text.strip():
            return ""
        return str(self._peer.compress_prompt([text], rate=rate)["compressed_prompt"])

    @cached_property
    def _peer(self) -> Any:
        from llmlingua import PromptCompressor

        from compressor.benchmark.two_labels import write_two_label_copy

        with tempfile.TemporaryDirectory() as scratch:
            copy = write_two_label_copy(str(self._folder), Path(scratch))
            peer = PromptCompressor(
                str(copy),
                device_map=self._device,
                use_llmlingua2=True,
                model_config={"trust_remote_code": False},
            )
        peer.model = _Remembering(peer.model)
        return peer


class _Remembering:
    """Its model, run once for each batch of windows, however many rates are asked for."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._outputs: dict[bytes, Any] = {}

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        key = input_ids.cpu().numpy().tobytes()
        if key not in self._outputs:
            self._outputs[key] = self._model(input_ids=input_ids, attention_mask=attention_mask)
        return self._outputs[key]


def _version() -> str:
    try:
        version = metadata.version("llmlingua")
    except metadata.PackageNotFoundError:
        raise UnavailableError(
            "llmlingua is not installed; pip install 'compressor[slow]'"
        ) from None
    if not os.environ.get("TIKTOKEN_CACHE_DIR"):
        raise UnavailableError(
            "llmlingua loads tiktoken's cl100k_base: set TIKTOKEN_CACHE_DIR to its folder"
        )
    return version
