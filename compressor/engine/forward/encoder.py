"""An encoder of BERT's kind over unpadded tokens: transformers' weights, our own order of work.

All sequences of a batch lie end to end, [t, hidden], so that each matrix product is one large one
and no work goes into padding; only attention looks at single sequences. Query, key and value are
one product, the sums of the residual stream stay in float32 (which costs nothing and halves the
error of bfloat16), and the two rows of the head are one.
"""

from typing import Any

import torch
from torch.nn import functional

from compressor.engine.forward.attention import Run, attend
from compressor.engine.forward.linear import Linear


class Encoder:
    """ids [t], positions [t], runs -> logit(keep) - logit(drop) [t], float32. Thread-safe.

    model: a token classifier of transformers, with BERT's layers and an exact GELU; keep: the index
    of the label "keep" among its logits, or None for a single logit. The weights are copied.
    """

    def __init__(self, model: Any, keep: int | None) -> None:
        base = getattr(model, model.base_model_prefix)
        words = base.embeddings.word_embeddings.weight.detach()
        self._dtype = words.dtype
        self._words = words
        self._places = places_of(base.embeddings)
        self._norm = Norm(base.embeddings.LayerNorm)
        heads = model.config.num_attention_heads
        self._layers = [Layer(layer, heads) for layer in base.encoder.layer]
        self._head = head_of(model, keep)

    def __call__(self, ids: torch.Tensor, positions: torch.Tensor, runs: list[Run]) -> torch.Tensor:
        with torch.inference_mode():
            x = self._norm(self._words[ids].float() + self._places[positions])
            for layer in self._layers:
                x = layer(x, runs, self._dtype)
            weight, bias = self._head
            return torch.addmv(bias, x, weight)


def places_of(embeddings: Any) -> torch.Tensor:
    """What is added to a word's embedding at each position, float32 [positions, hidden]."""
    places: torch.Tensor = (
        embeddings.position_embeddings.weight.detach().float()
        + embeddings.token_type_embeddings.weight.detach()[0].float()
    )
    return places


def head_of(model: Any, keep: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight [hidden] and bias [] of logit(keep) - logit(drop), float32."""
    weight, bias = model.classifier.weight.detach().float(), model.classifier.bias.float()
    if keep is not None:
        weight, bias = weight[keep] - weight[1 - keep], bias[keep] - bias[1 - keep]
    return weight.reshape(-1).clone(), bias.detach().reshape(()).clone()


class Layer:
    """x [t, hidden], float32 -> the same, by way of products in `dtype`."""

    def __init__(self, layer: Any, heads: int) -> None:
        attention = layer.attention
        self._heads = heads
        self._inputs = _joined(attention.self, heads)
        self._output = _linear(attention.output.dense)
        self._norm = Norm(attention.output.LayerNorm)
        self._up = _linear(layer.intermediate.dense, gelu=True)
        self._down = _linear(layer.output.dense)
        self._last_norm = Norm(layer.output.LayerNorm)

    def __call__(self, x: torch.Tensor, runs: list[Run], dtype: torch.dtype) -> torch.Tensor:
        context = attend(self._inputs(x.to(dtype)), self._heads, runs)
        x = self._norm(x + self._output(context))
        return self._last_norm(x + self._down(self._up(x.to(dtype))))


class Norm:
    """Layer normalisation in float32, whatever the type of the weights."""

    def __init__(self, norm: Any) -> None:
        self._weight = norm.weight.detach().float()
        self._bias = norm.bias.detach().float()
        self._eps = norm.eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._eps)


def _linear(module: Any, *, gelu: bool = False) -> Linear:
    return Linear(module.weight, module.bias, gelu=gelu)


def _joined(attention: Any, heads: int) -> Linear:
    """Query, key and value as one layer; the queries scaled, as `attend` wants them."""
    parts = [getattr(attention, name) for name in ("query", "key", "value")]
    dtype = parts[0].weight.dtype
    weights = [part.weight.detach().float() for part in parts]
    biases = [part.bias.detach().float() for part in parts]
    scale = (len(biases[0]) // heads) ** -0.5
    weights[0], biases[0] = weights[0] * scale, biases[0] * scale
    return Linear(torch.cat(weights).to(dtype), torch.cat(biases).to(dtype))
