"""The encoder for GPUs on a CPU, where its products are the same; a device that runs out of memory.

What it does on a GPU is in test_gpu.py.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from compressor.engine.forward.fused import FusedEncoder
from compressor.engine.forward.pending import Pending, at_once
from compressor.engine.forward.sequences import Sequences, filled, pad_before_positions
from compressor.engine.forward.unpadded import ARCHITECTURES
from compressor.engine.scorer import ModelInput, Scorer
from compressor.engine.windows import Windows
from tests.engine.test_forward import CPU, build, reference, some_sequences

Ints = npt.NDArray[np.int64]


@pytest.mark.parametrize("keep", [None, 0, 1])
@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_biases_that_move_change_nothing(model_type: str, keep: int | None) -> None:
    model = build(model_type, 1 if keep is None else 2)
    with torch.no_grad():  # from_config leaves biases and norms at 0 and 1
        for name, weight in model.named_parameters():
            if weight.ndim == 1:
                weight.copy_(torch.randn_like(weight) * 0.3 + ("LayerNorm.weight" in name))
    sequences = some_sequences()
    parts = torch.from_numpy(sequences.lengths).tolist()

    def attend(inputs: torch.Tensor) -> torch.Tensor:
        contexts = []
        for one in inputs.split(parts):
            query, key, value = (part.transpose(0, 1) for part in one.unbind(1))
            contexts.append(functional.scaled_dot_product_attention(query, key, value))
        return torch.cat([context.transpose(0, 1) for context in contexts])

    positions = sequences.positions(pad_before_positions(model.config))
    found = FusedEncoder(model, keep)(
        torch.from_numpy(sequences.ids), torch.from_numpy(positions), attend
    )
    expected = reference(model, sequences, keep)
    assert expected.std() > 0.2
    assert np.abs(found.numpy() - expected).max() < 1e-4


class Small:
    """A device with room for so many tokens; each token's margin is its id."""

    fixed_size = True
    ahead = 2

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def batches(self, lengths: Ints, max_tokens: int) -> Iterator[Ints]:
        for some in filled(lengths, max_tokens):
            yield np.arange(len(lengths))[some]

    def start(self, sequences: Sequences, max_tokens: int) -> Pending:
        self.asked.append(max_tokens)
        if len(sequences.ids) > self.room:
            raise torch.OutOfMemoryError("no room")
        return at_once(lambda: (sequences.ids / 100).astype(np.float32))


def scorer(room: int) -> tuple[Scorer, Small]:
    form = ModelInput(prefix=(0,), suffix=(0,), pad=0, window=100, keep=None)
    made = Scorer(build("bert"), form, CPU, max_batch_tokens=4096)
    small = Small(room)
    made._forward = small
    return made, small


def test_a_full_device_gets_half_as_much_and_that_is_remembered() -> None:
    made, small = scorer(room=1500)
    ids = np.random.default_rng(0).integers(0, 99, 9000)
    windows = Windows(np.arange(0, 9000, 90), np.arange(90, 9090, 90))
    expected = 1 / (1 + np.exp(-(ids / 100)))
    for _ in range(2):
        ((scores, _),) = made.score([(ids, windows)])
        assert np.abs(scores - expected).max() < 1e-6
    assert small.asked[:3] == [4096, 2048, 1024]
    assert set(small.asked[2:]) == {1024} == {made.max_batch_tokens}


def test_a_device_without_room_for_a_window_says_so() -> None:
    made, small = scorer(room=50)
    windows = Windows(np.arange(0, 900, 90), np.arange(90, 990, 90))
    with pytest.raises(torch.OutOfMemoryError):
        list(made.score([(np.zeros(900, np.int64), windows)]))
    assert min(small.asked) >= 102


@given(st.lists(st.lists(st.integers(1, 100), max_size=12), max_size=6), st.integers(102, 900))
def test_windows_of_several_items_share_batches(items: list[list[int]], limit: int) -> None:
    made, small = scorer(room=10_000)
    made.max_batch_tokens = limit
    rng = np.random.default_rng(0)
    given_items, expected = [], []
    for sizes in items:
        ends = np.cumsum(sizes, dtype=np.int64)
        ids = rng.integers(0, 99, sum(sizes))
        given_items.append((ids, Windows(ends - np.array(sizes, np.int64), ends)))
        expected.append(1 / (1 + np.exp(-(ids / 100))))
    found = list(made.score(iter(given_items)))
    assert len(found) == len(items)
    for (scores, _), wanted in zip(found, expected, strict=True):
        assert np.allclose(scores, wanted, atol=1e-6)
    windows = sum(map(len, items))
    assert len(small.asked) <= windows
    # Greedy filling leaves no two neighbours that would fit into one batch.
    tokens = sum(size + 2 for sizes in items for size in sizes)
    assert len(small.asked) <= 2 * tokens // limit + 1
