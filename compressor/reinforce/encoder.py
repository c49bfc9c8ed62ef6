"""The frozen encoder: what the policy sees of a shot, and what shots are searched by.

In: texts. Out: hidden states of every sub-word, padded, with their mask; or one vector a text, the
mean over its sub-words. Texts longer than the encoder reads go window by window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.document import Batch, build_batch
from compressor.engine.memory import keep_freed_memory
from compressor.engine.subwords import FastTokenizer
from compressor.engine.windows import cut_windows
from compressor.errors import InputError
from compressor.models.checkpoint import choose_device, load_tokenizer, positions, special_ids
from compressor.models.quiet import quiet
from compressor.models.resolve import digest, resolve

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_BATCH_POSITIONS = 8192  # padded
_MOST_POSITIONS = 512
_PROBE = "Natalia sold 48 / 2 = 24 clips in May, a café 3,500 € more. #### 72"
_STEP = 16
"""Windows are padded to a multiple of it, and only windows of one padded length share a batch: what
a text gets hardly depends on its neighbours."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """hidden: float32 [k, N, D], zero where mask (bool [k, N]) is false."""

    hidden: torch.Tensor
    mask: torch.Tensor


class Encoder:
    """An encoder of transformers, in float32, that nothing trains; loaded at its first use."""

    def __init__(
        self, name: str, device: str = "auto", storage_options: dict[str, Any] | None = None
    ) -> None:
        """name: directory, hub id, s3:// directory, or "default": the shipped compressor's own.

        Raises `InputError` where there is no such model.
        """
        self._folder = resolve(name, storage_options)
        self._device = device
        self.identity = digest(self._folder)

    @cached_property
    def tokenizer(self) -> FastTokenizer:
        return FastTokenizer(self._loaded[1])

    @cached_property
    def device(self) -> torch.device:
        return choose_device(self._device)

    @property
    def width(self) -> int:
        return int(self._loaded[0].config.hidden_size)

    def probe(self) -> list[float]:
        """The first numbers of one embedding: another file of the same encoder has them, too."""
        return [round(float(value), 5) for value in self.embed([_PROBE])[0, :32]]

    def encode(self, batch: Batch) -> Encoded:
        """The hidden states of each text's sub-words; the batch is of this encoder's tokenizer."""
        return in_rows(self.states(batch), batch.subwords.counts)

    def embed(self, texts: Sequence[str]) -> Floats:
        """float32 [n, D], rows of length 1: the mean over a text's sub-words; zeros for none."""
        rows = [np.zeros((0, self.width), np.float32)]
        for first in range(0, len(texts), 256):
            batch = build_batch(texts[first : first + 256], self.tokenizer)
            flat, counts = self.states(batch).double().cpu(), batch.subwords.counts
            row = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
            sums = torch.zeros((len(counts), flat.shape[1]), dtype=torch.float64)
            sums.index_add_(0, row, flat)
            rows.append(torch.nn.functional.normalize(sums, dim=1).float().numpy())
        return np.concatenate(rows)

    def states(self, batch: Batch) -> torch.Tensor:
        """The hidden states of all sub-words, float32 [t, D], on the encoder's device."""
        model, _, (prefix, suffix), most = self._loaded
        windows = cut_windows(batch, most - len(prefix) - len(suffix))
        out = torch.zeros((len(batch.subwords.ids), self.width), device=self.device)
        size = windows.last - windows.first
        padded = -(-(size + len(prefix) + len(suffix)) // _STEP) * _STEP
        order = np.argsort(padded, kind="stable")
        edges = np.flatnonzero(np.diff(padded[order])) + 1
        for members in np.split(order, edges) if len(order) else []:
            width = int(padded[members[0]])
            step = max(1, _BATCH_POSITIONS // width)
            for at in range(0, len(members), step):
                some = members[at : at + step]
                ids = np.zeros((len(some), width), np.int64)
                mask = np.zeros_like(ids)
                for row, window in enumerate(some.tolist()):
                    part = batch.subwords.ids[windows.first[window] : windows.last[window]]
                    whole = np.concatenate([prefix, part, suffix]).astype(np.int64)
                    ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
                first, sizes = windows.first[some], size[some]
                line = np.repeat(np.arange(len(some)), sizes)
                within = np.arange(len(line)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
                states = _forward(model, ids, mask)
                out[torch.from_numpy(first[line] + within).to(self.device)] = states[
                    torch.from_numpy(line).to(self.device),
                    torch.from_numpy(len(prefix) + within).to(self.device),
                ]
        return out

    @cached_property
    def _loaded(self) -> tuple[Any, Any, tuple[tuple[int, ...], tuple[int, ...]], int]:
        if self.device.type == "cpu":
            keep_freed_memory()
        tokenizer = load_tokenizer(self._folder)
        model = _load(self._folder).to(self.device).eval()
        most = min(_MOST_POSITIONS, positions(model.config))
        return model, tokenizer, special_ids(tokenizer), most


def in_rows(flat: torch.Tensor, counts: Ints) -> Encoded:
    """Each text's states in a row of their own. flat: [t, D]; counts: int64 [k], of each text."""
    mask = np.arange(int(counts.max(initial=1))) < counts[:, None]
    there = torch.from_numpy(mask).to(flat.device)
    hidden = flat.new_zeros((*mask.shape, flat.shape[1]))
    row, column = (torch.from_numpy(at).to(flat.device) for at in np.nonzero(mask))
    hidden[row, column] = flat
    return Encoded(hidden, there)


def _load(folder: Path) -> Any:
    """The encoder without what stands on top of it. Raises `InputError`."""
    import transformers

    quiet()
    try:
        return transformers.AutoModel.from_pretrained(
            str(folder), dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # what transformers raises differs by what is wrong
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"policy.encoder: {folder}: can't be loaded: {reason}") from None


@torch.inference_mode()
def _forward(model: Any, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> torch.Tensor:
    device = next(model.parameters()).device
    out = model(
        input_ids=torch.from_numpy(ids).to(device),
        attention_mask=torch.from_numpy(mask).to(device),
    )
    states: torch.Tensor = out[0].float()
    return states
