"""Tokenizers as flat arrays: sub-word ids and character offsets of many texts, or their counts.

Two kinds count tokens: Hugging Face fast tokenizers (the model's own, or a target LLM's) and
tiktoken encodings. Every text is tokenised once with offsets; what is counted later is rendered
text only.
"""

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from compressor.engine.anew import PATTERNS, begins_anew
from compressor.engine.flat import FlatTexts
from compressor.engine.pieces import Pieces, SubWords
from compressor.errors import InputError

Ints = npt.NDArray[np.int64]


class TokenCounter(Protocol):
    """Something that counts tokens, special tokens apart."""

    def encode(self, texts: Sequence[str]) -> SubWords: ...

    def count(self, texts: Sequence[str]) -> Ints: ...


class FastTokenizer:
    """A Hugging Face fast tokenizer, without truncation, padding or special tokens around."""

    def __init__(self, tokenizer: Any) -> None:
        """Of transformers, or the `tokenizers.Tokenizer` below it."""
        is_backend = isinstance(tokenizer, Tokenizer)
        backend = tokenizer if is_backend else getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise InputError(
                f"{type(tokenizer).__name__} is no fast tokenizer: offsets are needed; "
                "give a checkpoint with tokenizer.json"
            )
        self._backend = copy.deepcopy(backend)
        self._backend.no_truncation()
        self._backend.no_padding()
        self._pieces = Pieces(self._tokenise) if begins_anew(self._backend) else None

    def encode(self, texts: Sequence[str]) -> SubWords:
        if self._pieces is not None:
            return self._pieces.encode(_encodable_flat(texts))
        return self._tokenise([encodable(text) for text in texts])

    def count(self, texts: Sequence[str]) -> Ints:
        if self._pieces is not None:
            return self._pieces.count(_encodable_flat(texts))
        encodings = self._backend.encode_batch_fast(
            [encodable(text) for text in texts], add_special_tokens=False
        )
        return np.fromiter((len(encoding) for encoding in encodings), np.int64, len(encodings))

    def _tokenise(self, texts: Sequence[str]) -> SubWords:
        encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        counts = np.fromiter((len(encoding) for encoding in encodings), np.int64, len(encodings))
        splits = np.concatenate([[0], np.cumsum(counts)])
        total = int(splits[-1])
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int64, total)
        offsets = chain.from_iterable(chain.from_iterable(e.offsets for e in encodings))
        spans = np.fromiter(offsets, np.int64, 2 * total).reshape(-1, 2)
        return SubWords(ids, spans[:, 0], spans[:, 1], splits)


class TiktokenTokenizer:
    """A tiktoken encoding; text that looks like a special token is ordinary text."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding
        self._bytes_of_id = np.zeros(self._encoding.max_token_value + 1, np.int64)
        for token in self._encoding.token_byte_values():
            self._bytes_of_id[self._encoding.encode_single_token(token)] = len(token)
        known = getattr(encoding, "_pat_str", None) in PATTERNS
        self._pieces = Pieces(self._tokenise) if known else None

    def encode(self, texts: Sequence[str]) -> SubWords:
        if self._pieces is not None:
            return self._pieces.encode(_encodable_flat(texts))
        return self._tokenise([encodable(text) for text in texts])

    def count(self, texts: Sequence[str]) -> Ints:
        if self._pieces is not None:
            return self._pieces.count(_encodable_flat(texts))
        rows = self._encoding.encode_ordinary_batch([encodable(text) for text in texts])
        return np.fromiter((len(row) for row in rows), np.int64, len(rows))

    def _tokenise(self, texts: Sequence[str]) -> SubWords:
        ids = [np.array(row, np.int64) for row in self._encoding.encode_ordinary_batch(list(texts))]
        spans = [self._spans(text, row) for text, row in zip(texts, ids, strict=True)]
        splits = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
        flat = np.concatenate(spans) if spans else np.zeros((0, 2), np.int64)
        return SubWords(np.concatenate(ids or [splits[:0]]), flat[:, 0], flat[:, 1], splits)

    def _spans(self, text: str, ids: Ints) -> Ints:
        """Character offsets; a token that ends inside a character covers that character."""
        utf8 = np.frombuffer(text.encode(), np.uint8)
        char_of_byte = np.cumsum((utf8 & 0xC0) != 0x80) - 1
        ends = np.cumsum(self._bytes_of_id[ids])
        starts = ends - self._bytes_of_id[ids]
        return np.stack([char_of_byte[starts], char_of_byte[ends - 1] + 1], 1).reshape(-1, 2)


def load_counter(name: str, storage_options: dict[str, Any] | None = None) -> TokenCounter:
    """The tokenizer `tiktoken:NAME`, or that of a local directory, a hub id or an s3:// directory.

    Raises `InputError` where there is none of that name.
    """
    if name.startswith("tiktoken:"):
        return TiktokenTokenizer(_tiktoken_encoding(name.removeprefix("tiktoken:")))
    from compressor.models.checkpoint import load_tokenizer
    from compressor.models.resolve import resolve_tokenizer

    return FastTokenizer(load_tokenizer(resolve_tokenizer(name, storage_options)))


def _tiktoken_encoding(name: str) -> Any:
    try:
        import tiktoken
    except ImportError:
        raise InputError(
            f"tiktoken:{name} needs the package tiktoken: pip install 'compressor[tiktoken]'"
        ) from None
    if name not in (known := tiktoken.list_encoding_names()):
        raise InputError(f"tiktoken:{name}: no such encoding; there are {', '.join(known)}")
    try:
        return tiktoken.get_encoding(name)
    except Exception as error:  # tiktoken raises whatever its download raised
        raise InputError(
            f"tiktoken:{name}: its table is neither cached nor to be had "
            f"({type(error).__name__}); set TIKTOKEN_CACHE_DIR to a folder that holds it"
        ) from None


def _encodable_flat(texts: Sequence[str]) -> FlatTexts:
    flat = FlatTexts.of(texts)
    return FlatTexts.of([encodable(text) for text in flat]) if flat.has_surrogates else flat


def encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 has no bytes for, replaced one for one."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text
