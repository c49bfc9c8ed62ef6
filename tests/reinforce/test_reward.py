"""The reward by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.reinforce.reward import budget_factor, quality, reward


@pytest.mark.parametrize(
    ("loss", "right", "tokens", "expected"),
    [
        (1.0, 0, 2048, 0.5),  # 1 / (1 + 1), at the budget
        (0.0, 1, 2048, 2.0),  # the best there is
        (1.0, 1, 1024, 0.75),  # (0.5 + 1) * 1024 / 2048
        (3.0, 0, 512, 0.0625),  # 0.25 * 0.25
        (1.0, 0, 4096, 0.25),  # 0.5 * (4096 / 2048)^-1
        (0.25, 1, 2560, 1.44),  # (0.8 + 1) / 1.25
        (1.0, 0, 0, 0.0),
    ],
)
def test_by_hand(loss: float, right: float, tokens: int, expected: float) -> None:
    assert reward(loss, right, tokens, 2048) == pytest.approx(expected, rel=1e-12)


def test_arrays_go_through() -> None:
    found = reward([1.0, 1.0], [0, 1], [100, 200], 100)
    np.testing.assert_allclose(found, [0.5, 0.75])
    np.testing.assert_allclose(quality([0.0, 1.0]), [1.0, 0.5])


@given(st.integers(1, 10_000), st.integers(0, 30_000))
def test_the_factor_peaks_at_the_budget_alone(budget: int, tokens: int) -> None:
    assert budget_factor(budget, budget) == 1
    factor = float(budget_factor(tokens, budget))
    assert 0 <= factor <= 1
    assert (factor == 1) == (tokens == budget)
    assert float(budget_factor(budget * 2, budget)) == pytest.approx(0.5)
    assert float(budget_factor(tokens + 1, budget)) > factor or tokens >= budget
