"""The base model as training wants it, and the finished one as the engine loads it."""

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from compressor.errors import InputError
from compressor.train.config import BaseSection
from compressor.train.optimiser import Weights

# What a tokenizer that was saved with truncation and padding carries along in its configuration.
_CUT_AND_PADDED = (
    "max_length",
    "stride",
    "truncation_strategy",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "is_local",
    "local_files_only",
)

_NAMES = ("drop", "keep")


def load_base(settings: BaseSection, *, seed: int, classes: int = 1) -> tuple[Any, Any]:
    """(model, tokenizer) to start from; the classification head is drawn with `seed`.

    Of one class the model gives a logit per sub-word, whose sigmoid is P(keep); of two, one for
    drop and one for keep. Raises `InputError` where
    `model.base` can't be loaded or its tokenizer can't give offsets.
    """
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(seed)
    try:
        config = AutoConfig.from_pretrained(
            settings.base,
            num_labels=classes,
            id2label=dict(enumerate(_NAMES[-classes:])),
            label2id={name: index for index, name in enumerate(_NAMES[-classes:])},
            hidden_dropout_prob=settings.dropout,
            attention_probs_dropout_prob=settings.attention_dropout,
        )
        model = AutoModelForTokenClassification.from_pretrained(
            settings.base,
            config=config,
            dtype=torch.float32,
            attn_implementation="eager",  # on CPUs its backward pass is faster than that of SDPA
        )
        tokenizer = AutoTokenizer.from_pretrained(settings.base)
    except (OSError, ValueError) as error:
        raise InputError(f"model.base: {settings.base!r} can't be loaded: {error}") from None
    if not tokenizer.is_fast:
        raise InputError(f"model.base: {settings.base!r} has no fast tokenizer, which is needed")
    positions = getattr(config, "max_position_embeddings", settings.max_window_tokens + 2)
    if settings.max_window_tokens + 2 > positions:
        raise InputError(
            f"model.max_window_tokens: {settings.max_window_tokens} and two special sub-words "
            f"exceed the {positions} positions of {settings.base!r}"
        )
    # Sentence encoders ship tokenizers that cut at 128; windows are ours to cut.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    for key in _CUT_AND_PADDED:
        tokenizer.init_kwargs.pop(key, None)
    tokenizer.model_max_length = positions
    return model, tokenizer


def special_ids(tokenizer: Any) -> tuple[int, int, int]:
    """Ids of what stands before a window, after it, and of padding."""
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if first is None or last is None or tokenizer.pad_token_id is None:
        raise InputError("model.base: its tokenizer lacks a start, an end or a padding sub-word")
    return first, last, tokenizer.pad_token_id


def export(model: Any, weights: Weights, tokenizer: Any, folder: Path) -> None:
    """Write `model` with `weights`, in float16, and its tokenizer to `folder`."""
    shipped = copy.deepcopy(model)
    shipped.load_state_dict(weights)
    shipped = shipped.to(torch.float16).eval()
    shipped.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # else for the owner only, which packages keep
