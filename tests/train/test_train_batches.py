import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compressor.train.batches import collate, plan_epoch
from compressor.train.examples import Example

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=60)


@given(LENGTHS, st.integers(0, 5), st.floats(0, 1))
def test_every_example_comes_once_and_limits_hold(
    lengths: list[int], epoch: int, share: float
) -> None:
    plan = plan_epoch(
        lengths, seed=3, epoch=epoch, batch_tokens=120, window_tokens=50, long_share=share
    )
    flat = [i for batch in plan for window in batch for i in window]
    assert sorted(flat) == list(range(len(lengths)))
    for batch in plan:
        sizes = [sum(lengths[i] for i in window) for window in batch]
        assert max(sizes) <= 50
        assert len(batch) * (max(sizes) + 2) <= 120


def test_the_plan_is_a_function_of_seed_and_epoch() -> None:
    lengths = list(range(1, 40))

    def plan(seed: int, epoch: int) -> list[list[tuple[int, ...]]]:
        return plan_epoch(
            lengths, seed=seed, epoch=epoch, batch_tokens=100, window_tokens=50, long_share=0.5
        )

    assert plan(1, 1) == plan(1, 1)
    assert plan(1, 1) != plan(1, 2)
    assert plan(1, 1) != plan(2, 1)


def test_long_windows_fill_up() -> None:
    plan = plan_epoch(
        [10] * 40, seed=0, epoch=0, batch_tokens=200, window_tokens=50, long_share=1.0
    )
    assert [len(window) for batch in plan for window in batch] == [5] * 8


def example(*ids: int) -> Example:
    ones, half = np.ones(len(ids), np.float32), np.float32(0.5)
    return Example(np.array(ids), half * ones, half * half * ones, ones)


def test_collate_frames_joins_and_pads() -> None:
    batch = collate(
        [(0, 1), (2,)], [example(7, 8), example(9), example(5)], first=2, last=3, padding=0
    )
    assert batch.ids.tolist() == [[2, 7, 8, 9, 3], [2, 5, 3, 0, 0]]
    assert batch.mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch.weights.tolist() == [[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]]
    assert batch.targets[1].tolist() == [0, 0.25, 0, 0, 0]
    assert batch.grades[1].tolist() == [0, 0.5, 0, 0, 0]
