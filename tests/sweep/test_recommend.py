"""Which rate is recommended, what the sentence says, and which rates are tried."""

import pytest

from compressor.errors import InputError
from compressor.schema import load
from compressor.sweep.config import FloorsSection, SweepConfig, SweepSection
from compressor.sweep.judge import Figure, Row, none_lost
from compressor.sweep.recommend import recommend


def row(rate: float, **lows: float) -> Row:
    figures = {name: Figure((low + 1) / 2, low, 1.0, 100) for name, low in lows.items()}
    return Row(rate, 1000, round(1000 * rate), figures)


FLOORS = FloorsSection(numbers=0.98, names=0.95, negations=None, answers=0.9, similarity=None)


def test_the_lowest_rate_at_which_all_floors_hold() -> None:
    rows = [
        row(0.3, numbers=0.90, names=0.80),
        row(0.4, numbers=0.985, names=0.94),
        row(0.5, numbers=0.99, names=0.96),
        row(0.6, numbers=0.99, names=0.97),
    ]
    found = recommend(rows, FLOORS)
    assert found.rate == 0.5
    assert "numbers stay at 0.990 or more (floor 0.98)" in found.reason
    assert "at 0.4 names may fall to 0.940 (floor 0.95)" in found.reason
    assert found.reason.count(".") == found.reason.count("0.") + 1  # one sentence


def test_a_rate_below_one_that_fails_is_not_taken() -> None:
    rows = [row(0.3, names=0.96), row(0.4, names=0.94), row(0.5, names=0.97)]
    assert recommend(rows, FLOORS).rate == 0.5


def test_the_lowest_that_was_tried() -> None:
    found = recommend([row(0.3, names=0.96), row(0.4, names=0.97)], FLOORS)
    assert found.rate == 0.3
    assert "try lower ones" in found.reason


def test_no_rate_will_do() -> None:
    found = recommend([row(0.3, names=0.5), row(0.8, names=0.9)], FLOORS)
    assert found.rate is None
    assert "No rate up to 0.8 will do: there names may fall to 0.900" in found.reason


def test_floors_of_what_is_not_there_decide_nothing() -> None:
    assert recommend([row(0.3, code=0.1)], FLOORS).rate is None
    assert recommend([row(0.3, names=0.96)], FLOORS).rate == 0.3


def test_nothing_lost_passes_and_says_how_little_that_is() -> None:
    few = Row(0.3, 10, 3, {"names": Figure(1.0, none_lost(9), 1.0, 9)})
    found = recommend([few, row(0.4, names=0.97)], FLOORS)
    assert found.rate == 0.3
    assert "all 9 names stay (too few to be sure of 0.95)" in found.reason


def test_nothing_lost_of_few_is_no_certainty() -> None:
    assert none_lost(1) == pytest.approx(0.025)
    assert none_lost(368) == pytest.approx(0.99, abs=1e-3)


@pytest.mark.parametrize(
    ("rates", "step", "expected"),
    [
        ("0.2..0.8", 0.1, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        ("0.2..0.8", 0.25, [0.2, 0.45, 0.7]),
        ("0.5..0.5", 0.1, [0.5]),
        (" .3 .. 1 ", 0.35, [0.3, 0.65, 1.0]),
        ([0.5, 0.2], 0.1, [0.2, 0.5]),
    ],
)
def test_rates(rates: str | list[float], step: float, expected: list[float]) -> None:
    assert SweepSection(rates=rates, step=step).all_rates == expected


@pytest.mark.parametrize(
    "rates",
    ["0.8..0.2", "0..0.5", "0.5..1.5", "all", "0.2", "0.2...0.8", "[0.5, 0.5]", "[]", "0.1..1e"],
)
def test_no_rates(rates: str) -> None:
    with pytest.raises(InputError, match=r"sweep\.rates"):
        load(SweepConfig, None, ["input.path=x", f"sweep.rates={rates}"])


def test_too_many_rates() -> None:
    with pytest.raises(InputError, match=r"sweep\.step"):
        load(SweepConfig, None, ["input.path=x", "sweep.step=0.0001"])


def test_a_configuration_of_compress_serves() -> None:
    config = load(SweepConfig, "configs/compress.yaml", ["sweep.rates=0.2..0.4"])
    assert config.sweep.all_rates == [0.2, 0.3, 0.4]
