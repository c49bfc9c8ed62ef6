"""Statistics add up, in any order and through their record."""

import json

from hypothesis import given
from hypothesis import strategies as st

from compressor.pipeline.statistics import Statistics, rate_histogram, total

counts = st.integers(0, 1000)
some = st.builds(
    Statistics,
    rows=counts,
    ok=counts,
    original_tokens=counts,
    compressed_tokens=counts,
    rates=st.dictionaries(st.integers(0, 1000), st.integers(1, 50), max_size=5),
)


@given(some, some, some)
def test_addition_is_associative_and_has_a_zero(
    a: Statistics, b: Statistics, c: Statistics
) -> None:
    assert (a + b) + c == a + (b + c) == total([c, b, a])
    assert a + Statistics() == a


@given(some)
def test_a_record_gives_the_statistics_back(a: Statistics) -> None:
    record = json.loads(json.dumps(a.record()))
    assert Statistics.from_record(record) == a
    assert "seconds" not in record


def test_quantiles_are_over_records() -> None:
    original, compressed = [100] * 100, [*range(1, 101)]
    statistics = Statistics(rates=rate_histogram(original, compressed))
    assert statistics.quantiles() == {
        "p01": 0.01,
        "p05": 0.05,
        "p25": 0.25,
        "p50": 0.5,
        "p75": 0.75,
        "p95": 0.95,
    }


def test_nothing_has_no_rate() -> None:
    assert Statistics().rate is None
    assert set(Statistics().quantiles().values()) == {None}
    assert rate_histogram([0], [0]) == {}
