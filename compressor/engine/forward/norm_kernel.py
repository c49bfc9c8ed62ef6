"""Layer normalisation in Triton's language, a row to each program, written over its input."""

# ruff: noqa: N803
import triton
import triton.language as tl


@triton.jit
def normalise(x, weight, bias, columns, eps, BLOCK: tl.constexpr):
    """x: [rows, columns], contiguous; computes in float32; BLOCK: a power of two >= columns."""
    at = tl.arange(0, BLOCK)
    inside = at < columns
    place = x + tl.program_id(0).to(tl.int64) * columns + at
    row = tl.load(place, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(row, axis=0) / columns
    away = tl.where(inside, row - mean, 0.0)
    scale = tl.rsqrt(tl.sum(away * away, axis=0) / columns + eps)
    w = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(bias + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(place, (away * scale * w + b).to(place.dtype.element_ty), mask=inside)
