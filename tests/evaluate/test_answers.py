"""Exact match and F1 as SQuAD's own script counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.evaluate.answers import exact_match, word_f1


@pytest.mark.parametrize(
    ("answer", "accepted", "exact", "f1"),
    [
        ("The Moon.", ["moon"], 1, 1),
        ("on the Moon", ["the moon"], 0, 2 / 3),
        ("two two", ["two people"], 0, 0.5),
        ("21 hours", ["two days", "21 hours and 36 minutes"], 0, 4 / 7),
        ("", ["moon"], 0, 0),
        ("the", ["an"], 1, 1),
        ("moon", [], 0, 0),
    ],
)
def test_known_values(answer: str, accepted: list[str], exact: float, f1: float) -> None:
    assert exact_match(answer, accepted) == exact
    assert word_f1(answer, accepted) == pytest.approx(f1)


@given(answer=st.text(max_size=20), accepted=st.lists(st.text(max_size=20), max_size=3))
def test_f1_is_one_where_the_match_is_exact(answer: str, accepted: list[str]) -> None:
    assert 0 <= word_f1(answer, accepted) <= 1
    if exact_match(answer, accepted):
        assert word_f1(answer, accepted) == 1
