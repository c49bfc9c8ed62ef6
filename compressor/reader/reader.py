"""The interface of a language model that reads compressed texts, and which one a section means."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from compressor.errors import InputError
from compressor.reader.config import ReaderSection

if TYPE_CHECKING:
    from compressor.reader.local import LocalReader

Floats = npt.NDArray[np.float64]


class Reader(Protocol):
    """A causal language model. Loaded, or asked, at the first use and not before."""

    @property
    def identity(self) -> str:
        """Which model this is and how it computes: part of the key of kept results."""
        ...

    def nll(self, prompts: Sequence[str], continuations: Sequence[str]) -> Floats:
        """Negative log-likelihood in nats of each continuation after its prompt, float64 [n].

        Summed over the continuation's tokens. Raises `ValueError` for lists of different lengths,
        `InputError` for what is longer than the model reads.
        """
        ...

    def generate(
        self, prompts: Sequence[str], *, max_new_tokens: int, stop: str = "\n"
    ) -> list[str]:
        """What the model finds likeliest, token by token, up to `stop`: the end of the line."""
        ...


def beginning(text: str, stop: str) -> str:
    """What a model said before it wrote `stop`, stripped; blanks at the very start don't count."""
    text = text.strip()
    return ((text.splitlines() or [""])[0] if stop == "\n" else text.partition(stop)[0]).strip()


def open_reader(section: ReaderSection) -> Reader:
    """The reader of a section: a server where `base_url` is given, else a local model.

    Raises `InputError` where the section names no model.
    """
    if not section.model:
        raise InputError(
            "reader.model: is required for what reads with a language model; "
            "give a directory, a hub id, a .gguf file, or reader.base_url and its model's name"
        )
    if section.base_url:
        from compressor.reader.endpoint import EndpointReader

        return EndpointReader(
            section.base_url,
            section.model,
            api_key_env=section.api_key_env,
            chat=section.chat,
            concurrency=section.concurrency,
        )
    return open_local(section.model, section.device, section.dtype, section.max_batch_tokens)


@cache
def open_local(name: str, device: str, dtype: str, max_batch_tokens: int) -> "LocalReader":
    """A local model, the same object for the same arguments: tasks and contenders share weights.

    Raises `InputError` where there is no such model.
    """
    from compressor.reader.local import LocalReader

    return LocalReader(name, device=device, dtype=dtype, max_batch_tokens=max_batch_tokens)
