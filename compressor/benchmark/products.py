"""How fast this machine multiplies matrices, by precision: the best rate of large square products.

Measured, not looked up: data sheets know neither this machine's clock nor its neighbours. Each
precision is tried in the ways that torch has for it; the median of a few samples counts, of the
best size and way.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

Product = Callable[[], object]
SIZES = {"cpu": (256, 1024, 2048), "cuda": (4096, 8192)}
SAMPLES = 5
SAMPLE_SECONDS = {"cpu": 0.05, "cuda": 0.02}
HOPELESS = 50
"""Below so small a part of the best precision's rate one sample of the smallest size will do:
float16 on a CPU that doesn't know it is 400 times slower, two seconds for a product of 1024."""
PRECISIONS = ("bfloat16", "float32", "int8", "float16", "float8")


def rates(device: torch.device) -> dict[str, float]:
    """Operations a second by precision; what this torch or machine can't do is left out."""
    found: dict[str, float] = {}
    for precision in PRECISIONS:
        best = 0.0
        for size in SIZES[device.type]:
            for product in _products(precision, size, device):
                rate = _rate(product, 2 * size**3, device, max(found.values(), default=0.0))
                best = max(best, rate)
            if best * HOPELESS < max(found.values(), default=0.0):
                break
        if best:
            found[precision] = best
    return found


def _rate(product: Product, operations: float, device: torch.device, best: float) -> float:
    """Median rate, 0 where it can't be done."""
    try:
        with torch.inference_mode():
            product()  # builds its kernel
            one = _seconds(product, 1, device)
            if operations / one * HOPELESS < best:
                return operations / one
            times = max(1, int(SAMPLE_SECONDS[device.type] / one))
            samples = [_seconds(product, times, device) / times for _ in range(SAMPLES)]
    except (RuntimeError, NotImplementedError, AttributeError, ValueError, TypeError):
        return 0.0
    return operations / statistics.median(samples)


def _seconds(product: Product, times: int, device: torch.device) -> float:
    start = time.perf_counter()
    for _ in range(times):
        product()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _products(precision: str, size: int, device: torch.device) -> Iterator[Product]:
    """The ways to multiply in this precision."""
    try:
        if precision == "int8":
            yield from _int8(size, device)
        elif precision == "float8":
            yield from _float8(size, device)
        else:
            yield from _floating(getattr(torch, precision), size, device)
    except (RuntimeError, NotImplementedError, AttributeError, TypeError):
        return  # this torch or machine can't even lay the operands out


def _floating(dtype: torch.dtype, size: int, device: torch.device) -> Iterator[Product]:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    yield partial(torch.matmul, left, right)
    if device.type == "cpu" and dtype == torch.bfloat16:
        from compressor.engine.forward.linear import Linear  # packs its weights

        yield partial(Linear(right, torch.zeros(size, dtype=dtype)), left)


def _int8(size: int, device: torch.device) -> Iterator[Product]:
    left, right = (
        torch.randint(-127, 127, (size, size), dtype=torch.int8, device=device) for _ in range(2)
    )
    yield partial(torch._int_mm, left, right.t() if device.type == "cuda" else right)
    if device.type == "cpu":
        operators = torch.ops.onednn
        packed = operators.qlinear_prepack(right, [size, size])
        unsigned = left.abs().to(torch.uint8)
        scales, zeros = torch.ones(size), torch.zeros(size, dtype=torch.int32)
        after: tuple[object, ...] = (None, 1.0, 0, torch.bfloat16, "none", [], "")
        yield partial(operators.qlinear_pointwise, unsigned, 1.0, 0, packed, scales, zeros, *after)


def _float8(size: int, device: torch.device) -> Iterator[Product]:
    if device.type != "cuda":
        return
    left, right = (torch.randn(size, size, device=device).to(torch.float8_e4m3fn) for _ in range(2))
    one = torch.ones((), device=device)
    for fast in (True, False):
        yield partial(
            torch._scaled_mm,
            left,
            right.t(),
            scale_a=one,
            scale_b=one,
            out_dtype=torch.bfloat16,
            use_fast_accum=fast,
        )
