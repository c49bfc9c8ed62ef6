"""What counts the tokens of a teacher, loaded so that a worker starts at once.

The tokenizer of a folder is read from its `tokenizer.json` alone where there is one: transformers
and torch, which a task that only counts has no use for, take seconds to import.
"""

from typing import Any

from tokenizers import Tokenizer

from compressor.engine.subwords import FastTokenizer, TokenCounter, load_counter
from compressor.errors import InputError
from compressor.models.resolve import resolve_tokenizer

DEFAULT = "default"


def teacher_counter(
    name: str | None, storage_options: dict[str, Any] | None = None
) -> TokenCounter:
    """The tokenizer `tiktoken:NAME`, of a directory, hub id or s3:// directory; None: the shipped.

    Raises `InputError` where there is none of that name.
    """
    name = name or DEFAULT
    if name.startswith("tiktoken:"):
        return load_counter(name)
    file = resolve_tokenizer(name, storage_options) / "tokenizer.json"
    if not file.is_file():
        return load_counter(name, storage_options)
    try:
        return FastTokenizer(Tokenizer.from_file(str(file)))
    except Exception as error:  # tokenizers raises plain ones
        raise InputError(f"distill.tokenizer: {file}: can't be loaded: {error}") from None
