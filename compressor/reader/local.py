"""A local causal language model: losses of tokens, likelihoods of continuations, greedy answers.

Rows are sorted by length and batched by a budget of tokens, padded on the right, where nothing
that counts can see the padding. What all rows begin with (few-shot examples before many questions)
goes through the model once; its keys and values are repeated for each batch.
"""

import copy
import inspect
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.pieces import SubWords
from compressor.engine.subwords import FastTokenizer
from compressor.errors import InputError
from compressor.reader.loading import CausalModel, identify, load_causal, locate
from compressor.reader.reader import beginning

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LOSSES_AT_ONCE = 1024
"""Tokens whose logits are held in float32: 200 MB at a vocabulary of 50,000."""
_WORTH_SHARING = 32
"""Tokens of a common beginning below which a cache costs more than it saves."""


class LocalReader:
    """A causal language model in this process; loaded at its first use."""

    def __init__(
        self,
        name: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_batch_tokens: int = 4096,
    ) -> None:
        """A directory, a hub id, an s3:// directory or a .gguf file.

        Raises `InputError` where there is no such model.
        """
        self._path = locate(name)
        self._device, self._dtype = device, dtype
        self._max_batch_tokens = max_batch_tokens
        self.identity = f"{self._path.name} {identify(self._path)} {dtype}"

    @cached_property
    def lm(self) -> CausalModel:
        return load_causal(self._path, device=self._device, dtype=self._dtype)

    @cached_property
    def _tokenizer(self) -> FastTokenizer:
        return FastTokenizer(self.lm.tokenizer)

    def encode(self, texts: Sequence[str]) -> SubWords:
        """Token ids and character offsets of texts, without special tokens."""
        return self._tokenizer.encode(texts)

    def nll(self, prompts: Sequence[str], continuations: Sequence[str]) -> Floats:
        """Negative log-likelihood in nats of each continuation after its prompt, float64 [n].

        Prompt and continuation are tokenised apart, so that a continuation has the same tokens
        after every prompt; begin it with the blank that stands before it. Raises `ValueError` for
        lists of different lengths, `InputError` for what is longer than the model reads.
        """
        if len(prompts) != len(continuations):
            raise ValueError(f"nll: {len(prompts)} prompts, {len(continuations)} continuations")
        start = np.array(self.lm.start, np.int64)
        heads = [np.concatenate([start, ids]) for ids in rows(self.encode(prompts))]
        losses = self.losses(heads, rows(self.encode(continuations)))
        return np.array([loss.sum() for loss in losses], np.float64)

    def losses(self, heads: Sequence[Ints], tails: Sequence[Ints]) -> list[Floats]:
        """The loss in nats of each token of each tail after its head, float64 [len(tail)] each.

        heads, tails: token ids, int64. An empty head becomes the token that begins a text. Raises
        `InputError` for what is longer than the model reads.
        """
        first = np.array([self.lm.first], np.int64)
        heads = [head if len(head) else first for head in heads]
        sequences = [np.concatenate(pair) for pair in zip(heads, tails, strict=True)]
        longest = max((len(ids) for ids in sequences), default=0)
        if longest > self.lm.limit:
            raise InputError(
                f"model {self._path.name}: reads {self.lm.limit} tokens, a prompt with its answer "
                f"has {longest}; leave out or shorten the longest texts"
            )
        shared = _shared(heads)
        cache = self._prefill(heads[0][:shared]) if shared >= _WORTH_SHARING else None
        shared = shared if cache is not None else 0
        # The last token is predicted, never read.
        width = np.array([len(ids) - 1 - shared for ids in sequences], np.int64)
        found: list[Floats] = [np.zeros(0)] * len(sequences)
        asked = np.flatnonzero([len(tail) > 0 for tail in tails])
        for batch in _batches(width[asked], shared, self._max_batch_tokens):
            some = asked[batch]
            block = np.full((len(some), int(width[some].max())), self.lm.first, np.int64)
            for line, row in enumerate(some.tolist()):
                block[line, : width[row]] = sequences[row][shared:-1]
            before = np.array([len(heads[row]) - 1 - shared for row in some.tolist()])
            answers = [tails[row] for row in some.tolist()]
            losses = self._read(block, before, answers, cache)
            for row, loss in zip(some, losses, strict=True):
                found[row] = loss
        return found

    def generate(
        self, prompts: Sequence[str], *, max_new_tokens: int, stop: str = "\n"
    ) -> list[str]:
        """The greedy continuation of each prompt, up to `stop`, stripped.

        Prompts are padded on the left. Raises `InputError` for a prompt too long for the model.
        """
        start = np.array(self.lm.start, np.int64)
        ids = [np.concatenate([start, row]) for row in rows(self.encode(prompts))]
        size = np.array([len(row) + max_new_tokens for row in ids], np.int64)
        if len(size) and size.max() > self.lm.limit:
            raise InputError(
                f"model {self._path.name}: reads {self.lm.limit} tokens, a prompt with its answer "
                f"has {size.max()}; leave out or shorten the longest texts"
            )
        answers = [""] * len(ids)
        for some in _batches(size, 0, self._max_batch_tokens):
            width = max(1, *(len(ids[row]) for row in some.tolist()))
            block = np.full((len(some), width), self.lm.first, np.int64)
            mask = np.zeros_like(block)
            for line, row in enumerate(some.tolist()):
                block[line, width - len(ids[row]) :] = ids[row]
                mask[line, width - max(1, len(ids[row])) :] = 1
            for row, text in zip(some, self._continue(block, mask, max_new_tokens), strict=True):
                answers[row] = beginning(text, stop)
        return answers

    @torch.inference_mode()
    def _prefill(self, ids: Ints) -> Any:
        block = torch.from_numpy(ids[None]).to(self.lm.device)
        return getattr(
            self.lm.model(input_ids=block, use_cache=True, logits_to_keep=1), self._cache_name
        )

    @cached_property
    def _cache_name(self) -> str:
        """What the model calls keys and values of the past: renamed in transformers 5.2x."""
        names = inspect.signature(self.lm.model.forward).parameters
        return "cache" if "cache" in names else "past_key_values"

    @torch.inference_mode()
    def _read(self, block: Ints, before: Ints, answers: Sequence[Ints], cache: Any) -> list[Floats]:
        """Losses of answers whose first token is predicted at column `before` of the block."""
        past: dict[str, Any] = {"use_cache": False}
        if cache is not None:  # the model appends to what it is given
            repeated = copy.deepcopy(cache)
            repeated.batch_repeat_interleave(len(block))
            past = {"use_cache": True, self._cache_name: repeated}
        first = int(before.min())
        logits = self.lm.model(
            input_ids=torch.from_numpy(block).to(self.lm.device),
            logits_to_keep=torch.arange(first, block.shape[1], device=self.lm.device),
            **past,
        ).logits
        sizes = np.array([len(ids) for ids in answers])
        ends = np.cumsum(sizes)
        line = np.repeat(np.arange(len(sizes)), sizes)
        column = np.repeat(before - first - (ends - sizes), sizes) + np.arange(ends[-1])
        place = torch.from_numpy(np.stack([line, column, np.concatenate(answers)]))
        parts = torch.split(place.to(self.lm.device), _LOSSES_AT_ONCE, dim=1)
        losses = [  # on the device until all are there: a copy for each would wait for each
            torch.nn.functional.cross_entropy(logits[at, to].float(), ids, reduction="none")
            for at, to, ids in parts
        ]
        return np.split(torch.cat(losses).double().cpu().numpy(), ends[:-1])

    @torch.inference_mode()
    def _continue(self, block: Ints, mask: Ints, max_new_tokens: int) -> list[str]:
        tokenizer = self.lm.tokenizer
        pad = tokenizer.pad_token_id
        out = self.lm.model.generate(
            input_ids=torch.from_numpy(block).to(self.lm.device),
            attention_mask=torch.from_numpy(mask).to(self.lm.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.lm.first if pad is None else pad,
        )
        texts: list[str] = tokenizer.batch_decode(
            out[:, block.shape[1] :], skip_special_tokens=True
        )
        return texts


def rows(subwords: SubWords) -> list[Ints]:
    """The ids of each text, int64 [tokens] each."""
    return np.split(subwords.ids, subwords.splits[1:-1]) if len(subwords.splits) > 1 else []


def _shared(heads: Sequence[Ints]) -> int:
    """Tokens that all heads begin with, one token of each head left over; 0 for a single head."""
    if len(heads) < 2:
        return 0
    least = min(len(head) for head in heads) - 1
    block = np.stack([head[:least] for head in heads])
    differs = (block != block[0]).any(axis=0)
    return int(differs.argmax()) if differs.any() else least


def _batches(width: Ints, shared: int, max_batch_tokens: int) -> Iterator[Ints]:
    """Indices of rows of similar width, each batch at most `max_batch_tokens` or one row."""
    order = np.argsort(width, kind="stable")
    first = 0
    for at, row in enumerate(order):
        if at > first and (shared + int(width[row])) * (at - first + 1) > max_batch_tokens:
            yield order[first:at]
            first = at
    if len(order):
        yield order[first:]
