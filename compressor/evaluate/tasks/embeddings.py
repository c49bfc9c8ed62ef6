"""Embeddings of texts by a sentence encoder that pools by the mean, such as all-MiniLM-L6-v2."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.errors import InputError
from compressor.models.quiet import quiet
from compressor.models.resolve import digest, resolve

_BATCH_TOKENS = 8192  # padded


class Embeddings:
    """A transformers encoder in float32; loaded when it is first used."""

    def __init__(
        self,
        name: str,
        device: str = "auto",
        *,
        max_tokens: int = 256,
        key: str = "retrieval.model",
    ) -> None:
        """name: local directory or hub id, set by `key`. What is longer than `max_tokens` is cut
        off.

        Raises `InputError` where there is no such model.
        """
        self._name = name
        self._key = key
        self._device = device
        self._max_tokens = max_tokens
        self._folder = resolve(name)
        self.identity = f"{digest(self._folder)} {max_tokens}"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 [n, width], rows of length 1."""
        import torch

        tokenizer, model, device = self._loaded
        settings = {"truncation": True, "max_length": self._max_tokens, "padding": False}
        ids = tokenizer(list(texts), **settings)["input_ids"] if len(texts) else []
        rows: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(texts)
        for batch in _batches([len(one) for one in ids]):
            padded = tokenizer.pad({"input_ids": [ids[at] for at in batch]}, return_tensors="pt")
            mask = padded["attention_mask"].to(device)
            with torch.inference_mode():
                hidden = model(input_ids=padded["input_ids"].to(device), attention_mask=mask)[0]
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1)
            unit = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
            for at, row in zip(batch, unit, strict=True):
                rows[at] = row
        return np.stack(rows)

    def fits(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which texts are embedded whole, bool [n]; of the others the end is cut off."""
        tokenizer, _, _ = self._loaded
        ids = tokenizer(list(texts), truncation=False)["input_ids"] if len(texts) else []
        return np.array([len(one) <= self._max_tokens for one in ids], bool)

    @cached_property
    def _loaded(self) -> tuple[Any, Any, str]:
        import torch
        from transformers import AutoModel, AutoTokenizer

        quiet()
        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        folder = str(self._folder)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        except Exception as error:  # what transformers raises differs by what is wrong
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self._key}: {self._name}: can't be loaded: {reason}") from None
        return tokenizer, model.to(device).eval(), device


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Texts of like length together, as many as fit when they are padded."""
    batches: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= _BATCH_TOKENS:
            batches[-1].append(at)
        else:
            batches.append([at])
    return batches
