"""From a causal language model's name to model and tokenizer: a folder, a hub id, or a GGUF file.

Only `safetensors` and GGUF weights are read and no code of a checkpoint is run. GGUF weights are
expanded to ordinary ones when they are loaded (transformers with the packages gguf and accelerate).
"""

import contextlib
import hashlib
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from compressor.engine.memory import keep_freed_memory
from compressor.engine.subwords import FastTokenizer, TokenCounter, load_counter
from compressor.errors import InputError
from compressor.models.checkpoint import choose_device, choose_dtype, load_tokenizer
from compressor.models.quiet import quiet
from compressor.models.resolve import resolve

GGUF = ".gguf"
_GGUF_PACKAGES = ("gguf", "accelerate")


@dataclass(frozen=True, slots=True)
class CausalModel:
    """A loaded causal language model with its fast tokenizer.

    start: ids that the tokenizer puts in front of a text (often none); first: the id that stands
    where a text has nothing before it; limit: tokens that the model reads at once.
    """

    model: Any
    tokenizer: Any
    device: torch.device
    start: tuple[int, ...]
    first: int
    limit: int


def locate(name: str) -> Path:
    """The local folder or GGUF file of a model; remote ones are fetched. Raises `InputError`."""
    if not name.endswith(GGUF):
        return resolve(name)
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"model {name}: no such file")
    return path


def identify(path: Path) -> str:
    """16 hex digits that change with the names and sizes of a model's files.

    Not their bytes: a reader may have many gigabytes, and it is asked for at each start.
    """
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    listing = "\n".join(f"{file.name}\0{file.stat().st_size}" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def load_counter_of(name: str, storage_options: dict[str, Any] | None = None) -> TokenCounter:
    """What counts tokens as a model does, without its weights: also a .gguf file, `tiktoken:NAME`.

    Raises `InputError` where there is no such tokenizer.
    """
    if not name.endswith(GGUF):
        return load_counter(name, storage_options)
    path = locate(name)
    _require_gguf(path)
    return FastTokenizer(_quietly("AutoTokenizer", path))


def load_causal(path: Path, *, device: str, dtype: str) -> CausalModel:
    """Load what `locate` found. Raises `InputError` where it is no causal language model."""
    place = choose_device(device)
    if place.type == "cpu":
        keep_freed_memory()
    precision, _ = choose_dtype(dtype, place)
    if path.suffix == GGUF:
        _require_gguf(path)
        tokenizer = _quietly("AutoTokenizer", path)
        model = _quietly("AutoModelForCausalLM", path, dtype=precision)
    else:
        tokenizer = load_tokenizer(path)
        model, report = _quietly(
            "AutoModelForCausalLM",
            path,
            dtype=precision,
            use_safetensors=True,
            output_loading_info=True,
        )
        if report["missing_keys"]:
            raise InputError(
                f"model {path}: no causal language model: its weights lack "
                f"{min(report['missing_keys'])}"
            )
    return CausalModel(
        model=model.to(place).eval(),
        tokenizer=tokenizer,
        device=place,
        start=_start_ids(tokenizer),
        first=_first_id(tokenizer, path),
        limit=int(
            getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31
        ),
    )


def _require_gguf(path: Path) -> None:
    missing = [name for name in _GGUF_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"model {path}: GGUF needs the package {missing[0]}: pip install 'compressor[reader]'"
        )


def _quietly(loader: str, path: Path, **options: Any) -> Any:
    """Load by a class of transformers without its bars and advice between our lines."""
    import transformers

    quiet()
    folder = path
    if path.suffix == GGUF:
        folder, options = path.parent, options | {"gguf_file": path.name}
    try:
        # The bar of GGUF files knows no switch.
        with contextlib.redirect_stderr(io.StringIO()):
            return getattr(transformers, loader).from_pretrained(
                str(folder), trust_remote_code=False, **options
            )
    except Exception as error:  # transformers raises many kinds for a broken folder
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"model {path}: no causal language model: {reason[0]}") from None


def _start_ids(tokenizer: Any) -> tuple[int, ...]:
    """What the tokenizer itself puts in front of a text."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    mask = encoding["special_tokens_mask"]
    before = mask.index(0) if 0 in mask else 0
    return tuple(encoding["input_ids"][:before])


def _first_id(tokenizer: Any, path: Path) -> int:
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise InputError(f"model {path}: its tokenizer has neither a BOS nor an EOS token")
