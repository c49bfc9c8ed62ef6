"""The engine on a GPU: decisions, neighbours, memory. Run with `-m gpu` where there is one."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from compressor import Compressor
from compressor.corpus import demo
from compressor.engine.forward.norm import _works, layer_norm
from compressor.engine.forward.padded import PaddedForward
from compressor.engine.forward.sequences import Sequences
from compressor.engine.forward.varlen import VarlenForward, supports
from compressor.models.checkpoint import load_checkpoint
from compressor.models.resolve import DEFAULT
from tests.engine.test_forward import build, reference, some_sequences

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here"),
]
GPU = torch.device("cuda")
LARGE: dict[str, Any] = {
    "vocab_size": 1000,
    "hidden_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "initializer_range": 0.05,
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("keep", [None, 1])
@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_as_near_to_float32_as_transformers_is(
    model_type: str, keep: int | None, dtype: torch.dtype
) -> None:
    model = build(model_type, 1 if keep is None else 2, **LARGE)
    sequences = some_sequences(vocabulary=1000)
    exact = reference(model, sequences, keep)
    model = model.to(GPU, dtype)
    assert supports(model, GPU)
    padded = PaddedForward(model, GPU, pad=1, longest=512, keep=keep)
    theirs, ours = [], []
    forward = VarlenForward(model, GPU, keep=keep)
    for some in padded.batches(sequences.lengths, 4096):
        batch, wanted = pick(sequences, some), pick_values(sequences, exact, some)
        theirs.append(padded.start(batch, 4096)().values - wanted)
        ours.append(forward.start(batch, 4096)().values - wanted)
    error = [float(np.abs(np.concatenate(parts)).mean()) for parts in (ours, theirs)]
    assert error[0] < error[1] * 1.2, error


def pick(sequences: Sequences, some: Any) -> Sequences:
    rows = np.split(sequences.ids, sequences.starts[1:])
    return Sequences(np.concatenate([rows[at] for at in some]), sequences.lengths[some])


def pick_values(sequences: Sequences, values: Any, some: Any) -> Any:
    rows = np.split(values, sequences.starts[1:])
    return np.concatenate([rows[at] for at in some])


def test_neighbours_do_not_change_a_bit() -> None:
    model = build("xlm-roberta", **LARGE).to(GPU, torch.bfloat16)
    forward = VarlenForward(model, GPU, keep=None)
    sequences = some_sequences(vocabulary=1000)
    together = np.split(forward.start(sequences, 8192)().values, sequences.starts[1:])
    for at, found in enumerate(together):
        alone = forward.start(pick(sequences, np.array([at])), 8192)().values
        assert np.array_equal(alone, found)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_words_that_float32_keeps(dtype: str) -> None:
    """At least 99.5 %, against transformers' eager pass in float32 on the CPU, at several rates."""
    texts = [text for text in demo.corpus()["text"].to_pylist() if len(text) > 300][:100]
    fast = Compressor.from_pretrained("default", device="cuda", dtype=dtype)
    assert isinstance(fast._scorer._forward, VarlenForward)
    exact = Compressor.from_pretrained("default", device="cpu", dtype="float32")
    loaded = load_checkpoint(DEFAULT, "default", device="cpu", dtype="float32")
    loaded.model.set_attn_implementation("eager")
    exact._scorer._forward = PaddedForward(
        loaded.model, torch.device("cpu"), pad=loaded.form.pad, longest=512, keep=loaded.form.keep
    )
    for rate in (0.5, 0.25):
        same = total = 0
        for one, other in zip(fast.compress(texts, rate), exact.compress(texts, rate), strict=True):
            kept, expected = set(one.kept), set(other.kept)
            same += sum((word in kept) == (word in expected) for word in one.words)
            total += len(one.words)
        print(f"{dtype} at {rate}: {same / total:.5f} of {total} words")
        assert total > 5000
        assert same / total >= 0.995


def test_a_full_gpu_gets_smaller_batches() -> None:
    passages = [text for text in demo.corpus()["text"].to_pylist() if len(text) > 300]
    texts = [f"{number} {text}" for number in range(8) for text in passages]
    roomy = Compressor.from_pretrained("default", device="cuda", max_batch_tokens=65536)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    used = torch.cuda.memory_reserved() + 80 * 2**20
    torch.cuda.set_per_process_memory_fraction(
        used / torch.cuda.get_device_properties(0).total_memory
    )
    try:
        found = roomy.compress(texts)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert roomy._scorer.max_batch_tokens < 65536
    assert len(found) == len(texts)
    assert sum(one.compressed_tokens for one in found) < 0.51 * sum(
        one.original_tokens for one in found
    )


@pytest.mark.parametrize("columns", [48, 384, 1024, 1536])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_kernel_normalises_as_pytorch_does(columns: int, dtype: torch.dtype) -> None:
    pytest.importorskip("triton")
    assert _works(0, dtype)
    torch.manual_seed(0)
    x = (torch.randn(777, columns, device=GPU) * 3 + 1).to(dtype)
    weight, bias = torch.randn(2, columns, device=GPU).to(dtype)
    exact = functional.layer_norm(x.double(), (columns,), weight.double(), bias.double(), 1e-5)
    theirs = functional.layer_norm(x, (columns,), weight, bias, 1e-5)
    ours = layer_norm(x.clone(), weight, bias, 1e-5)
    error = [float((found.double() - exact).abs().mean()) for found in (ours, theirs)]
    assert error[0] <= error[1] * 1.05, error
