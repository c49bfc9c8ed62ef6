"""The base model as training wants it, and the finished one as the engine loads it."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.models.checkpoint import load_tokenizer, positions
from compressor.models.quiet import quiet
from compressor.models.resolve import resolve_tokenizer
from compressor.train.config import BaseSection
from compressor.train.optimiser import Weights
from compressor.train.vocabulary import transplant

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
_DROPOUT = (
    "hidden_dropout_prob",
    "classifier_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "dropout",
)
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


def load_base(
    settings: BaseSection, *, seed: int, classes: int = 1, device: str = "cpu"
) -> tuple[Any, Any]:
    """(model, tokenizer) to start from; the classification head is drawn with `seed`.

    Of one class the model gives a logit per sub-word, whose sigmoid is P(keep); of two, one for
    drop and one for keep. It is on the CPU; `device` (cpu or cuda) is where it will train. Raises
    `InputError` where `model.base` can't be loaded or its tokenizer can't give offsets.
    """
    quiet()
    torch.manual_seed(seed)
    names = dict(enumerate(_NAMES[-classes:]))
    # On CPUs the backward pass of eager attention is faster than that of SDPA.
    attention = {"attn_implementation": "eager"} if device == "cpu" else {}
    try:
        config = AutoConfig.from_pretrained(
            settings.base,
            num_labels=classes,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
        _set_dropout(config, settings)
        model = AutoModelForTokenClassification.from_pretrained(
            settings.base,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # a head of other classes is drawn anew
            **attention,
        )
        tokenizer = AutoTokenizer.from_pretrained(settings.base)
    except (OSError, ValueError) as error:
        raise InputError(f"model.base: {settings.base!r} can't be loaded: {error}") from None
    if settings.tokenizer is not None:
        other = load_tokenizer(resolve_tokenizer(settings.tokenizer))
        transplant(model, tokenizer, other, seed=seed)
        tokenizer = other
    if not tokenizer.is_fast:
        raise InputError(f"model.base: {settings.base!r} has no fast tokenizer, which is needed")
    # Sentence encoders ship tokenizers that cut at 128; windows are ours to cut.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    for key in _CUT_AND_PADDED:
        tokenizer.init_kwargs.pop(key, None)
    tokenizer.model_max_length = positions(config)
    return model, tokenizer


def _set_dropout(config: Any, settings: BaseSection) -> None:
    """Families name it differently; what is null there follows another setting and stays so."""
    for names, share in (
        (_DROPOUT, settings.dropout),
        (_ATTENTION_DROPOUT, settings.attention_dropout),
    ):
        for name in names:
            if getattr(config, name, None) is not None:
                setattr(config, name, share)


def special_ids(tokenizer: Any) -> tuple[int, int, int]:
    """Ids of what stands before a window, after it, and of padding."""
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if first is None or last is None or tokenizer.pad_token_id is None:
        raise InputError("model.base: its tokenizer lacks a start, an end or a padding sub-word")
    return first, last, tokenizer.pad_token_id


def export(model: Any, weights: Weights, tokenizer: Any, folder: Path | Storage) -> None:
    """Write `model` with `weights`, in float16, and its tokenizer to `folder`, weights last."""
    target = Storage.at(str(folder), key="output.path") if isinstance(folder, Path) else folder
    shipped = copy.deepcopy(model).cpu()
    shipped.load_state_dict(weights)
    shipped = shipped.to(torch.float16).eval()
    with tempfile.TemporaryDirectory() as scratch:
        shipped.save_pretrained(scratch, safe_serialization=True)
        tokenizer.save_pretrained(scratch)
        for file in sorted(Path(scratch).iterdir(), key=lambda file: file.suffix == ".safetensors"):
            target.put(file.name, file.read_bytes())
    target.clear_scratch()
