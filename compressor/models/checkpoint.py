"""From a folder to a model that is ready to score: head checked, device and precision chosen.

Only `safetensors` weights are read and no code of a checkpoint is run.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from compressor.engine.memory import keep_freed_memory
from compressor.engine.scorer import ModelInput
from compressor.errors import InputError
from compressor.models.bare import bare_model

_WINDOW = 512
"""Sub-words that LLMLingua-2 reads at once, special tokens included (section 4.1)."""
_TOKENIZER_FILES = [
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
]
_KEEP_LABEL = re.compile(r"keep|kept|preserve|retain", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded token classifier with its fast tokenizer."""

    model: Any
    tokenizer: Any
    form: ModelInput
    device: torch.device
    dtype: str


def load_checkpoint(
    folder: Path, name: str, *, device: str, dtype: str, bare: bool = False
) -> Checkpoint:
    """Load from a folder; `name` is what the user called it. Raises `InputError`.

    `bare`: where our own forward pass knows the architecture, only the weights that it reads.
    """
    place = choose_device(device)
    if place.type == "cpu":
        keep_freed_memory()
    precision, _ = choose_dtype(dtype, place)
    tokenizer = load_tokenizer(folder)
    config = _load_config(folder, name)
    model = bare_model(folder, config, precision, place) if bare else None
    if model is None:
        model = _load_model(folder, name, config, precision).to(place).eval()
    if len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"model {name}: its tokenizer has {len(tokenizer)} ids, its embeddings "
            f"{model.config.vocab_size}; they don't belong together"
        )
    form = ModelInput(
        *special_ids(tokenizer),
        pad=_pad_id(tokenizer, model.config),
        window=0,
        keep=_keep_index(model.config),
    )
    window = min(_WINDOW, positions(model.config)) - form.specials
    form = ModelInput(form.prefix, form.suffix, form.pad, window, form.keep)
    return Checkpoint(model, tokenizer, form, place, str(precision).removeprefix("torch."))


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a folder. Raises `InputError` where there is none."""
    from transformers import AutoTokenizer

    # transformers makes an empty tokenizer of the model's family where the files are missing.
    if not any((folder / name).exists() for name in _TOKENIZER_FILES):
        raise InputError(f"{folder}: no tokenizer there; save a tokenizer.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a broken folder
        raise InputError(f"{folder}: no tokenizer can be loaded: {_first_line(error)}") from None
    if not tokenizer.is_fast:
        raise InputError(f"{folder}: its tokenizer isn't a fast one; save a tokenizer.json")
    return tokenizer


def choose_device(device: str) -> torch.device:
    """auto: a GPU where there is one. Raises `InputError` for a device that isn't there."""
    if device not in {"auto", "cpu", "cuda"} and not re.fullmatch(r"cuda:\d+", device):
        raise InputError(f"device: wants auto, cpu or cuda, got {device!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("model.device=cuda, but no CUDA GPU is visible here; use auto or cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def choose_dtype(dtype: str, device: torch.device) -> tuple[torch.dtype, str]:
    """The precision and why: bfloat16 where the hardware multiplies it, else float32."""
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype in named:
        return named[dtype], "as configured"
    if dtype != "auto":
        raise InputError(f"dtype: wants auto, {', '.join(named)}, got {dtype!r}")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "the GPU multiplies bfloat16"
        return torch.float16, "the GPU has no bfloat16"
    for unit in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        if getattr(torch.cpu, unit, lambda: False)():
            return torch.bfloat16, "the CPU multiplies bfloat16"
    return torch.float32, "the CPU has no bfloat16"


def special_ids(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Special ids before and after a window, as the tokenizer itself sets them."""
    encoding = tokenizer("a", add_special_tokens=True, return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    solid = [at for at, flag in enumerate(special) if not flag]
    if not solid:  # "a" itself is unknown to it
        plain = len(tokenizer("a", add_special_tokens=False)["input_ids"])
        around = len(ids) - plain
        first = (around + 1) // 2
        solid = [first, first + plain - 1] if plain else [first, first - 1]
    prefix, suffix = tuple(ids[: solid[0]]), tuple(ids[solid[-1] + 1 :])
    if not prefix and not suffix:  # a tokenizer without template, but with the tokens
        start = [tokenizer.cls_token_id, tokenizer.bos_token_id]
        stop = [tokenizer.sep_token_id, tokenizer.eos_token_id]
        prefix = tuple(token for token in start if token is not None)[:1]
        suffix = tuple(token for token in stop if token is not None)[:1]
    return prefix, suffix


def _load_config(folder: Path, name: str) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:
        raise InputError(f"model {name}: no usable config.json: {_first_line(error)}") from None
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"model {name}: no *.safetensors weights (other formats aren't read)")
    if config.num_labels > 2:
        raise InputError(
            f"model {name}: its head has {config.num_labels} labels; a compressor has 1 or 2"
        )
    return config


def _load_model(folder: Path, name: str, config: Any, dtype: torch.dtype) -> Any:
    """The model of transformers."""
    from transformers import AutoModelForTokenClassification

    try:
        with _quiet():
            model, report = AutoModelForTokenClassification.from_pretrained(
                str(folder),
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:
        raise InputError(f"model {name}: can't be loaded: {_first_line(error)}") from None
    missing = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if missing:
        raise InputError(
            f"model {name}: no trained token-classification head ({missing[0]} is missing); "
            "give a checkpoint fine-tuned for token classification"
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and load reports off the terminal; we report ourselves."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(40)  # errors only
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _keep_index(config: Any) -> int | None:
    """Which logit says "keep": by its label's name, else the second of two."""
    if config.num_labels == 1:
        return None
    named = [i for i, label in config.id2label.items() if _KEEP_LABEL.search(str(label))]
    return int(named[0]) if len(named) == 1 else 1


def positions(config: Any) -> int:
    """Positions that a window may have; RoBERTa's begin behind its padding index."""
    limit = getattr(config, "max_position_embeddings", None) or _WINDOW
    if config.model_type in _OFFSET_POSITIONS:
        limit -= (config.pad_token_id or 0) + 1
    return int(limit)


_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "mpnet", "longformer"}


def _pad_id(tokenizer: Any, config: Any) -> int:
    for token in (tokenizer.pad_token_id, config.pad_token_id):
        if token is not None:
            return int(token)
    return 0


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
