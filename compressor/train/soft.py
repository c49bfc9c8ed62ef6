"""Soft labels: what finished models say of the training texts, so that a new one learns it.

In: texts and checkpoints that share the base model's tokenizer. Out: the mean of their P(keep) for
each sub-word. With checkpoints of several seeds that distils an ensemble into one model; on texts
without teacher's labels it is self-training. Each checkpoint's answer is computed once and kept in
the work folder.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.models.checkpoint import load_checkpoint
from compressor.models.checkpoint import special_ids as around
from compressor.models.resolve import digest, resolve
from compressor.train.examples import Example, cut, subwords
from compressor.train.metrics import predict

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def soft_labels(
    texts: Sequence[str],
    tokenizer: Any,
    models: Sequence[str],
    *,
    window: int,
    batch_tokens: int,
    precision: torch.dtype,
    device: str,
    cache: Storage,
    say: Callable[[str], None] = lambda _: None,
) -> list[Floats]:
    """The mean P(keep) over `models` of every sub-word: float32 [n] for each text, in order.

    `tokenizer`: the base model's, fast. Longer texts are read in windows of `window` sub-words.
    Raises `InputError` where a model can't be loaded, has shorter windows, or cuts a text into
    other sub-words than `tokenizer`.
    """
    ids = [piece for piece, _ in subwords(texts, tokenizer)]
    total = np.zeros(sum(map(len, ids)), np.float64)
    for name in models:
        key = _key(name, ids, window, precision)
        if key in cache.names():
            flat = np.load(io.BytesIO(cache.read(key)))
        else:
            say(f"soft labels: {name} reads {len(texts)} texts")
            flat = _answer(name, texts, ids, tokenizer, window, batch_tokens, precision, device)
            buffer = io.BytesIO()
            np.save(buffer, flat)
            cache.put(key, buffer.getvalue())
        total += flat
    mean = (total / len(models)).astype(np.float32)
    return np.split(mean, np.cumsum([len(piece) for piece in ids])[:-1])


def _key(name: str, ids: Sequence[Ints], window: int, precision: torch.dtype) -> str:
    """A file name that changes with all that the answer depends on."""
    content = hashlib.sha256(f"{digest(resolve(name))} {window} {precision}".encode())
    for piece in ids:
        content.update(f"{len(piece)} ".encode() + piece.tobytes())
    return f"soft-{content.hexdigest()[:24]}.npy"


def _answer(
    name: str,
    texts: Sequence[str],
    ids: Sequence[Ints],
    tokenizer: Any,
    window: int,
    batch_tokens: int,
    precision: torch.dtype,
    device: str,
) -> Floats:
    """P(keep) of all sub-words, one text after the other: float32 [n]."""
    loaded = load_checkpoint(resolve(name), name, device=device, dtype="float32")
    _check_same(name, texts, ids, tokenizer, loaded.tokenizer)
    if loaded.form.window < window:
        raise InputError(
            f"labels.soft_models: {name} reads {loaded.form.window} sub-words at once, fewer than "
            f"model.max_window_tokens={window}; lower that one"
        )
    prefix, suffix = loaded.form.prefix, loaded.form.suffix
    logits = predict(
        loaded.model,
        cut([Example.of_ids(piece) for piece in ids], window),
        first=prefix[0],
        last=suffix[0],
        padding=loaded.form.pad,
        batch_tokens=batch_tokens,
        precision=precision,
        keep=loaded.form.keep,
    )
    return np.asarray(1 / (1 + np.exp(-np.concatenate(logits, dtype=np.float64))), np.float32)


def _check_same(
    name: str, texts: Sequence[str], ids: Sequence[Ints], ours: Any, theirs: Any
) -> None:
    same_ends = around(ours) == around(theirs) and list(map(len, around(ours))) == [1, 1]
    others = [piece for piece, _ in subwords(texts, theirs)] if same_ends else []
    if not same_ends or not all(map(np.array_equal, ids, others)):
        raise InputError(
            f"labels.soft_models: {name} cuts texts into other sub-words than model.base; "
            "give checkpoints with the base model's tokenizer"
        )
