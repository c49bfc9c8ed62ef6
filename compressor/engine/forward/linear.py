"""A linear layer whose bfloat16 weights are laid out once for the CPU's matrix units.

Without that oneDNN rearranges them in every call, and GELU is a pass over memory of its own.
"""

import torch
from torch.nn import functional


class Linear:
    """x [n, in] -> x W^T + b [n, out], then GELU where asked for. Inference only.

    weight: [out, in]; bias: [out]; of the type that is computed in.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool = False) -> None:
        self._bias = bias.detach().clone()
        self._gelu = gelu
        self._packed = weight.dtype == torch.bfloat16 and can_pack()
        with torch.inference_mode():
            self._weight = weight.detach().clone(memory_format=torch.contiguous_format)
            if self._packed:
                self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._packed:
            return self._call_packed(x)
        y = functional.linear(x, self._weight, self._bias)
        return functional.gelu(y) if self._gelu else y

    def _call_packed(self, x: torch.Tensor) -> torch.Tensor:
        after, exact = ("gelu", "none") if self._gelu else ("none", "")
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, after, [], exact
        )
        return y


def can_pack() -> bool:
    """Whether this torch and this CPU have the operators that torch.compile packs weights with."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and bool(getattr(torch.cpu, "_is_avx512_supported", lambda: False)())
    )
