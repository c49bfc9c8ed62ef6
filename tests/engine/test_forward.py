"""Our own forward pass against that of transformers, and what goes into one batch."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import Compressor
from compressor.corpus import demo
from compressor.engine.forward.padded import PaddedForward
from compressor.engine.forward.sequences import Sequences, surround
from compressor.engine.forward.unpadded import ARCHITECTURES, UnpaddedForward, supports
from compressor.engine.scorer import Forward
from compressor.models.checkpoint import load_checkpoint
from compressor.models.resolve import DEFAULT

CPU = torch.device("cpu")
PAD = 1
# One token to a full window, some alike; below and above where attention takes another way.
LENGTHS = [1, 2, 3, 3, 31, 32, 33, 33, 33, 115, 191, 192, 193, 256, 510, 512, 512]
Margins = npt.NDArray[np.float32]


def build(model_type: str, labels: int = 1, **settings: Any) -> Any:
    torch.manual_seed(3)
    config = transformers.AutoConfig.for_model(
        model_type,
        **{
            "vocab_size": 99,
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 160,
            "num_labels": labels,
            "pad_token_id": PAD,
            "max_position_embeddings": 514,
            "initializer_range": 0.2,
            **settings,
        },
    )
    classifier: Any = transformers.AutoModelForTokenClassification
    return classifier.from_config(config).eval()


def some_sequences(lengths: list[int] = LENGTHS, vocabulary: int = 99) -> Sequences:
    """Random ids; the padding id occurs too, as it does where a text spells it out."""
    ids = np.random.default_rng(5).integers(0, vocabulary, sum(lengths))
    return Sequences(ids, np.array(lengths))


def reference(model: Any, sequences: Sequences, keep: int | None) -> Margins:
    """One sequence at a time through transformers."""
    parts = []
    with torch.inference_mode():
        for ids in np.split(sequences.ids, sequences.starts[1:]):
            logits = model(input_ids=torch.from_numpy(ids)[None]).logits[0].float()
            parts.append(logits[:, 0] if keep is None else logits[:, keep] - logits[:, 1 - keep])
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def margins(forward: Forward, sequences: Sequences) -> Margins:
    return forward.start(sequences, 8192)().values


@pytest.mark.parametrize("keep", [None, 0, 1])
@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_float32_is_that_of_transformers(model_type: str, keep: int | None) -> None:
    model = build(model_type, 1 if keep is None else 2)
    assert supports(model, CPU)
    sequences = some_sequences()
    expected = reference(model, sequences, keep)
    found = margins(UnpaddedForward(model, keep=keep), sequences)
    assert expected.std() > 0.2
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_bfloat16_is_as_near_as_that_of_transformers(model_type: str) -> None:
    model = build(model_type)
    sequences = some_sequences()
    exact = reference(model, sequences, None)
    theirs = np.abs(reference(model.to(torch.bfloat16), sequences, None) - exact)
    ours = np.abs(margins(UnpaddedForward(model, keep=None), sequences) - exact)
    assert ours.mean() < theirs.mean() * 1.1
    assert ours.max() < theirs.max() * 1.5


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        ("distilbert", {}),
        ("bert", {"hidden_act": "relu"}),
        ("roberta", {"hidden_act": "gelu_new"}),
        ("bert", {"is_decoder": True}),
    ],
)
def test_other_architectures_are_left_to_transformers(
    model_type: str, settings: dict[str, Any]
) -> None:
    assert not supports(build(model_type, **settings), CPU)


def test_other_devices_and_types_are_left_to_transformers() -> None:
    model = build("bert")
    assert not supports(model, torch.device("cuda"))
    assert not supports(model.to(torch.float16), CPU)


def test_the_padded_pass_is_that_of_transformers() -> None:
    model = build("bert", 2, pad_token_id=0)
    forward = PaddedForward(model, CPU, pad=0, longest=512, keep=1)
    sequences = some_sequences()
    expected = np.split(reference(model, sequences, 1), sequences.starts[1:])
    rows = np.split(sequences.ids, sequences.starts[1:])
    for some in forward.batches(sequences.lengths, 1024):
        batch = Sequences(np.concatenate([rows[at] for at in some]), sequences.lengths[some])
        wanted = np.concatenate([expected[at] for at in some])
        assert np.abs(margins(forward, batch) - wanted).max() < 1e-4


@cache
def shipped(dtype: str) -> Forward:
    loaded = load_checkpoint(DEFAULT, "default", device="cpu", dtype=dtype)
    assert supports(loaded.model, CPU)
    return UnpaddedForward(loaded.model, keep=loaded.form.keep)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_neighbours_do_not_change_a_bit(dtype: str) -> None:
    """On the shipped model: tiny ones take other kernels."""
    forward = shipped(dtype)
    sequences = some_sequences(sorted([3, 20, 33, 33, 115, 115, 115, 130, 192, 300, 512]), 30_000)
    together = np.split(margins(forward, sequences), sequences.starts[1:])
    for ids, found in zip(np.split(sequences.ids, sequences.starts[1:]), together, strict=True):
        alone = margins(forward, Sequences(ids, np.array([len(ids)])))
        assert np.array_equal(alone, found), len(ids)


def test_threads_share_a_forward_pass() -> None:
    forward = shipped("bfloat16")

    def at_once(sequences: Sequences) -> Margins:
        return margins(forward, sequences)

    several = [some_sequences([n, n, 2 * n], 30_000) for n in (5, 17, 40, 64)]
    alone = [margins(forward, sequences) for sequences in several]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(at_once, several * 2))
    for found, expected in zip(together, alone * 2, strict=True):
        assert np.array_equal(found, expected)


def test_bfloat16_keeps_the_words_that_float32_keeps() -> None:
    """At least 99.5 %, against transformers' eager pass in float32, at several rates."""
    texts = [text for text in demo.corpus()["text"].to_pylist() if len(text) > 300][:60]
    fast = Compressor.from_pretrained("default", device="cpu", dtype="bfloat16")
    exact = Compressor.from_pretrained("default", device="cpu", dtype="float32")
    loaded = load_checkpoint(DEFAULT, "default", device="cpu", dtype="float32")
    loaded.model.set_attn_implementation("eager")
    exact._scorer._forward = PaddedForward(
        loaded.model, CPU, pad=loaded.form.pad, longest=512, keep=loaded.form.keep
    )
    for rate in (0.5, 0.25):
        same = total = 0
        for one, other in zip(fast.compress(texts, rate), exact.compress(texts, rate), strict=True):
            kept, expected = set(one.kept), set(other.kept)
            same += sum((word in kept) == (word in expected) for word in one.words)
            total += len(one.words)
        assert total > 5000
        assert same / total >= 0.995


spans = st.lists(st.integers(1, 40), min_size=1, max_size=20)
specials = st.lists(st.integers(900, 999), max_size=2).map(tuple)


@given(spans, specials, specials, st.randoms())
def test_windows_are_surrounded(
    sizes: list[int], prefix: tuple[int, ...], suffix: tuple[int, ...], random: Any
) -> None:
    ids = np.arange(sum(sizes))
    edges = list(pairwise(np.cumsum([0, *sizes]).tolist()))
    random.shuffle(edges)
    first = np.array([a for a, _ in edges])
    size = np.array([b - a for a, b in edges])
    sequences, solid, source = surround(ids, first, size, prefix, suffix)
    expected = [[*prefix, *ids[a:b], *suffix] for a, b in edges]
    assert sequences.ids.tolist() == [token for row in expected for token in row]
    assert sequences.lengths.tolist() == [len(row) for row in expected]
    assert sequences.ids[solid].tolist() == ids[source].tolist()
    assert sequences.column.tolist() == [at for row in expected for at in range(len(row))]


@settings(deadline=None)
@given(st.lists(st.integers(1, 512), max_size=60), st.integers(1, 9000), st.booleans())
def test_each_sequence_is_in_one_batch(lengths: list[int], budget: int, padded: bool) -> None:
    forward: Forward = (
        PaddedForward(tiny(), CPU, pad=0, longest=512, keep=None)
        if padded
        else UnpaddedForward(tiny(), keep=None)
    )
    sizes = np.array(lengths, np.int64)
    batches = list(forward.batches(sizes, budget))
    assert sorted(at for some in batches for at in some) == list(range(len(sizes)))
    for some in batches:
        assert len(some) == 1 or sizes[some].sum() <= budget
        assert padded or (np.diff(sizes[some]) >= 0).all()


@cache
def tiny() -> Any:
    return build("bert", hidden_size=12)
