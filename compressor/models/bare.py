"""The weights of an encoder alone, without transformers' model class, whose import takes longer
than reading them.

Input: a folder with one `model.safetensors`; output: a tree of attributes with the names of the
checkpoint, for the forward pass of ours that reads them (`engine/forward/encoder.py`). Whatever is
not as expected is left to transformers, which knows more layouts and says what is wrong.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from compressor.engine.forward.unpadded import supports

WEIGHTS = "model.safetensors"
PREFIXES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta"}


def bare_model(folder: Path, config: Any, dtype: torch.dtype, device: torch.device) -> Any | None:
    """The weights, cast to `dtype`; None where our own forward pass wouldn't run, or in doubt."""
    prefix = PREFIXES.get(config.model_type)
    model = SimpleNamespace(config=config, dtype=dtype, base_model_prefix=prefix)
    if prefix is None or not supports(model, device):
        return None
    if [path.name for path in folder.glob("*.safetensors")] != [WEIGHTS]:
        return None
    wanted = dict(_shapes(prefix, config))
    weights = _read(folder / WEIGHTS, wanted)
    if weights is None:
        return None
    for name, tensor in weights.items():
        _hang(model, name.split("."), tensor.to(dtype))
    base = getattr(model, prefix)
    layers = base.encoder.layer
    base.encoder.layer = [getattr(layers, str(n)) for n in range(config.num_hidden_layers)]
    norms = [base.embeddings.LayerNorm]
    for layer in base.encoder.layer:
        norms += [layer.attention.output.LayerNorm, layer.output.LayerNorm]
    for norm in norms:
        norm.eps = config.layer_norm_eps
    return model


def _read(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor] | None:
    """The tensors of these names, None where one lacks or has another shape."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            if not wanted.keys() <= set(file.keys()):
                return None
            found = {name: file.get_tensor(name) for name in wanted}
    except (OSError, SafetensorError):
        return None
    same = all(tuple(found[name].shape) == shape for name, shape in wanted.items())
    return found if same and all(t.is_floating_point() for t in found.values()) else None


def _shapes(prefix: str, config: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor that the forward pass reads."""
    hidden, inner = config.hidden_size, config.intermediate_size
    around = f"{prefix}.embeddings"
    yield f"{around}.word_embeddings.weight", (config.vocab_size, hidden)
    yield f"{around}.position_embeddings.weight", (config.max_position_embeddings, hidden)
    yield f"{around}.token_type_embeddings.weight", (config.type_vocab_size, hidden)
    products = [("classifier", config.num_labels, hidden)]
    norms = [f"{around}.LayerNorm"]
    for number in range(config.num_hidden_layers):
        layer = f"{prefix}.encoder.layer.{number}"
        attention = f"{layer}.attention"
        square = ("self.query", "self.key", "self.value", "output.dense")
        products += [(f"{attention}.{part}", hidden, hidden) for part in square]
        products.append((f"{layer}.intermediate.dense", inner, hidden))
        products.append((f"{layer}.output.dense", hidden, inner))
        norms += [f"{attention}.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, rows, columns in products:
        yield f"{name}.weight", (rows, columns)
        yield f"{name}.bias", (rows,)
    for name in norms:
        yield f"{name}.weight", (hidden,)
        yield f"{name}.bias", (hidden,)


def _hang(tree: Any, path: list[str], tensor: torch.Tensor) -> None:
    for name in path[:-1]:
        if not hasattr(tree, name):
            setattr(tree, name, SimpleNamespace())
        tree = getattr(tree, name)
    setattr(tree, path[-1], tensor)
