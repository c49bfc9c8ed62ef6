"""An encoder of BERT's kind for a GPU: few kernels a layer, nothing between the products.

A layer is four matrix products, attention and two normalisations. The sums of the residual stream
are made by the products themselves (`addmm_` onto the layer's input, which nothing needs any
more), and GELU by the one before it. For that the bias of a product that adds to the stream is
moved to where the stream was written last: the normalisation before it adds it, and the product
that reads the stream in between takes it off again by its own bias, all at load time.

GELU is the approximation by tanh, which is what cuBLAS has; it differs from the exact one by less
than bfloat16 rounds.
"""

from collections.abc import Callable
from typing import Any

import torch

from compressor.engine.forward.encoder import head_of, places_of
from compressor.engine.forward.norm import layer_norm

Attend = Callable[[torch.Tensor], torch.Tensor]
"""Queries, keys and values [t, 3, heads, d] -> context [t, heads, d], within each sequence."""


class FusedEncoder:
    """ids [t], positions [t] -> logit(keep) - logit(drop) [t], float32.

    model: a token classifier of transformers, with BERT's layers; keep: the index of the label
    "keep" among its logits, or None for a single logit. Most weights stay the model's. Thread-safe.
    """

    def __init__(self, model: Any, keep: int | None) -> None:
        base = getattr(model, model.base_model_prefix)
        embeddings = base.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        self._places = places_of(embeddings).to(self._words.dtype)
        modules = list(base.encoder.layer)
        ahead = [*(_bias(module.attention.output) for module in modules[1:]), None]
        self._norm = _Norm(embeddings.LayerNorm, _bias(modules[0].attention.output))
        heads = model.config.num_attention_heads
        self._layers = [
            _Layer(module, heads, following)
            for module, following in zip(modules, ahead, strict=True)
        ]
        self._head = head_of(model, keep)

    def __call__(self, ids: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        with torch.inference_mode():
            x = self._norm(self._words[ids] + self._places[positions])
            for layer in self._layers:
                x = layer(x, attend)
            weight, bias = self._head
            return torch.addmv(bias, x.float(), weight)


class _Layer:
    """x [t, hidden] -> the same. x is written over; it holds this layer's first bias already."""

    def __init__(self, module: Any, heads: int, following: torch.Tensor | None) -> None:
        attention = module.attention
        first, second = _bias(attention.output), _bias(module.output)
        parts = [getattr(attention.self, name) for name in ("query", "key", "value")]
        self._heads = heads
        self._inputs = _Reader(parts, first)
        self._output = attention.output.dense.weight.detach().t()
        self._norm = _Norm(attention.output.LayerNorm, second)
        self._up = _Reader([module.intermediate.dense], second)
        self._down = module.output.dense.weight.detach().t()
        self._last_norm = _Norm(module.output.LayerNorm, following)

    def __call__(self, x: torch.Tensor, attend: Attend) -> torch.Tensor:
        inputs = torch.addmm(self._inputs.bias, x, self._inputs.weight)
        context = attend(inputs.view(len(x), 3, self._heads, -1))
        x = self._norm(x.addmm_(context.reshape(x.shape), self._output))
        up = torch._addmm_activation(self._up.bias, x, self._up.weight, use_gelu=True)
        return self._last_norm(x.addmm_(up, self._down))


class _Reader:
    """Weight [in, out] and bias [out] of layers side by side, whose input holds `surplus`."""

    def __init__(self, modules: list[Any], surplus: torch.Tensor) -> None:
        weight = torch.cat([module.weight.detach() for module in modules])
        bias = torch.cat([module.bias.detach() for module in modules])
        exact = bias.double() - weight.double() @ surplus.double()
        self.weight = weight.t()
        self.bias = exact.to(bias.dtype)


class _Norm:
    """Layer normalisation that adds the `surplus` of the product that comes next to the stream."""

    def __init__(self, norm: Any, surplus: torch.Tensor | None) -> None:
        bias = norm.bias.detach().double()
        if surplus is not None:
            bias = bias + surplus.double()
        self._weight = norm.weight.detach()
        self._bias = bias.to(self._weight.dtype)
        self._eps = norm.eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return layer_norm(x, self._weight, self._bias, self._eps)


def _bias(module: Any) -> torch.Tensor:
    bias: torch.Tensor = module.dense.bias.detach()
    return bias
