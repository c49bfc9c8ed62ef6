"""Intervals and p-values against scipy's, and what must hold for any scores."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compressor.evaluate.statistics import (
    Floats,
    Sums,
    bootstrap,
    holm,
    interval,
    mean_sums,
    paired_p_values,
    ratio_sums,
)

RESAMPLES = 10_000


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_interval_of_a_mean_is_scipys() -> None:
    scores = normal(80) + 3
    mine = interval(bootstrap(mean_sums([scores]), resamples=RESAMPLES, seed=0)[:, 0])
    theirs = scipy.stats.bootstrap(
        (scores,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=1
    ).confidence_interval
    assert mine.low == pytest.approx(theirs.low, abs=0.01)
    assert mine.high == pytest.approx(theirs.high, abs=0.01)


def test_the_interval_of_a_ratio_of_sums_is_scipys() -> None:
    total = np.random.default_rng(0).integers(0, 9, 120).astype(float)
    kept = np.random.default_rng(1).binomial(total.astype(int), 0.8).astype(float)
    mine = interval(bootstrap(ratio_sums([kept], [total]), resamples=RESAMPLES, seed=0)[:, 0])
    theirs = scipy.stats.bootstrap(
        (kept, total),
        lambda top, bottom, axis: top.sum(axis) / bottom.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert mine.low == pytest.approx(theirs.low, abs=0.005)
    assert mine.high == pytest.approx(theirs.high, abs=0.005)


@pytest.mark.parametrize("shift", [0.0, 0.4, 1.5])
def test_exact_p_is_scipys(shift: float) -> None:
    one, other = normal(11, seed=3) + shift, normal(11, seed=4)
    mine = paired_p_values(mean_sums([one, other]), 0, resamples=RESAMPLES, seed=0)
    theirs = scipy.stats.permutation_test(
        (one - other,), np.sum, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert mine.tolist() == pytest.approx([1.0, theirs])


def test_drawn_p_is_scipys() -> None:
    one, other = normal(60, seed=3) + 0.3, normal(60, seed=4)
    mine = paired_p_values(mean_sums([one, other]), 0, resamples=50_000, seed=0)[1]
    theirs = scipy.stats.permutation_test(
        (one - other,), np.sum, permutation_type="samples", n_resamples=50_000, rng=1
    ).pvalue
    assert mine == pytest.approx(theirs, abs=0.01)


def test_p_of_the_null_is_uniform() -> None:
    p = np.array(
        [
            paired_p_values(
                mean_sums([normal(30, seed=s), normal(30, seed=s + 500)]), 0, resamples=400, seed=s
            )[1]
            for s in range(300)
        ]
    )
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(300):
        found = interval(
            bootstrap(mean_sums([normal(40, seed=seed)]), resamples=500, seed=seed)[:, 0]
        )
        covered += found.low <= 0 <= found.high
    assert 0.90 <= covered / 300 <= 0.98


def test_groups_are_drawn_together() -> None:
    """Ten copies of each of five values say no more than the five do."""
    five = np.array([0.0, 1.0, 4.0, 2.0, 8.0])
    groups = np.repeat(np.arange(5), 10)
    single = mean_sums([five])
    copied = mean_sums([np.repeat(five, 10)], groups)
    assert copied.values == pytest.approx(single.values)
    one, other = (bootstrap(sums, resamples=2000, seed=0)[:, 0] for sums in (single, copied))
    np.testing.assert_allclose(one, other)
    shifted = mean_sums([np.repeat(five, 10), np.repeat(five + 1, 10)], groups)
    assert paired_p_values(shifted, 0, resamples=RESAMPLES, seed=0)[1] == pytest.approx(2 / 2**5)


def test_groups_of_different_size_weigh_by_their_items() -> None:
    sums = mean_sums([np.array([1.0, 1.0, 1.0, 5.0])], np.array([7, 7, 7, 9]))
    assert sums.values.tolist() == [2.0]
    assert sums.bottom.tolist() == [3.0, 1.0]


def test_items_without_a_score_do_not_count() -> None:
    nan = float("nan")
    assert mean_sums([np.array([1, nan, 3.0])]).values.tolist() == [2.0]
    ratio = ratio_sums([np.array([1, nan, 1.0])], [np.array([2.0, 9, 2])])
    assert ratio.values.tolist() == [0.5]


def test_scores_that_cannot_be_compared_are_refused() -> None:
    nan = float("nan")
    with pytest.raises(ValueError, match="some contenders only"):
        mean_sums([np.array([1.0, nan]), np.array([1.0, 2.0])])
    with pytest.raises(ValueError, match="denominators differ"):
        ratio_sums([np.ones(2), np.ones(2)], [np.ones(2), np.array([1.0, 2.0])])


def test_nothing_to_count_gives_no_figure() -> None:
    sums = ratio_sums([np.zeros(3)], [np.zeros(3)])
    assert np.isnan(sums.values).all()
    assert np.isnan(interval(bootstrap(sums, resamples=100, seed=0)[:, 0]).low)


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, np.nan])).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


@given(arrays(float, st.integers(1, 20), elements=st.floats(0, 1)))
def test_holm_is_monotone_and_no_smaller(p: Floats) -> None:
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(1, p * len(p)) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


@settings(max_examples=40)
@given(
    arrays(
        float, st.tuples(st.integers(1, 25), st.just(3)), elements=st.integers(-4, 4).map(float)
    ),
    st.integers(0, 5),
)
def test_for_any_scores(table: Floats, seed: int) -> None:
    sums = mean_sums(list(table.T))
    samples = bootstrap(sums, resamples=200, seed=seed)
    assert samples.shape == (200, 3)
    assert (samples >= table.min(0) - 1e-9).all()
    assert (samples <= table.max(0) + 1e-9).all()
    assert (samples == bootstrap(sums, resamples=200, seed=seed)).all()
    p = paired_p_values(sums, 1, resamples=200, seed=seed)
    assert ((p > 0) & (p <= 1)).all()
    assert p[1] == 1
    mirrored = Sums(-sums.top, sums.bottom)
    np.testing.assert_allclose(p, paired_p_values(mirrored, 1, resamples=200, seed=seed))
    against = paired_p_values(sums, 0, resamples=200, seed=seed)
    assert against[1] == pytest.approx(p[0])
