from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.distill.quality import Quality, find_limits, limit, measure, select

TEXT = "He walked home, and then he slept in the house."  # ten words


def test_a_pure_deletion_is_perfect() -> None:
    assert measure(TEXT, "walked home slept house.") == Quality(0.0, 0.4, 0.4, 0.0)


def test_invented_words_count_as_variation() -> None:
    assert measure(TEXT, "walked home; tired") == Quality(1 / 3, 0.2, 0.2, 0.0)


def test_repeated_words_count_as_gap() -> None:
    assert measure(TEXT, "house house house") == Quality(0.0, 0.3, 0.1, 0.2)


def test_case_and_forms_are_the_same_word_and_marks_are_left_out() -> None:
    assert measure(TEXT, "HE WALKS - HOME!!!") == Quality(0.0, 0.3, 0.3, 0.0)


def test_characters_are_the_words_of_chinese() -> None:
    assert measure("今天天气很好。", "天气 坏") == Quality(1 / 3, 2 / 6, 2 / 6, 0.0)


@pytest.mark.parametrize(("text", "compressed"), [("", ""), ("a b", ""), ("", "a"), (". .", ".")])
def test_nothing_over_nothing_is_0(text: str, compressed: str) -> None:
    found = measure(text, compressed)
    assert found == Quality(float(compressed == "a"), 0.0, 0.0, 0.0)


def perfect(count: int) -> list[Quality | None]:
    return [Quality(0.0, 0.5, 0.5, 0.0)] * count


def test_perfect_examples_all_stay_whatever_the_share() -> None:
    assert select(perfect(10), variation_share=0.5, gap_share=0.5).all()


def test_the_worst_go_first_by_variation_then_by_gap() -> None:
    varied = [Quality(0.1 + i / 1000, 0.5, 0.5, 0.0) for i in range(5)]
    gapped = [Quality(0.0, 0.5, 0.4, 0.1 + i / 1000) for i in range(20)]
    chosen = select([*varied, *perfect(75), *gapped])
    assert not chosen[:5].any()
    assert chosen[5:80].all()
    assert chosen[80:].tolist() == [True] * 11 + [False] * 9  # 10 % of 95


def test_failures_and_examples_without_a_kept_word_are_never_selected() -> None:
    nothing = Quality(0.0, 0.0, 0.0, 0.0)
    assert select([None, nothing, *perfect(2)]).tolist() == [False, False, True, True]
    assert select([None, nothing]).tolist() == [False, False]
    assert select([]).shape == (0,)


def test_a_group_of_equals_goes_or_stays_as_a_whole() -> None:
    few = np.array([0.0] * 92 + [0.5] * 8)
    assert limit(few, 0.05) == 0.0  # 8 is closer to 5 than none is
    many = np.array([0.0] * 70 + [0.01] * 30)
    assert limit(many, 0.05) == np.inf  # none is closer to 5 than 30 are
    assert limit(np.array([0.3] * 10), 0.5) == np.inf


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share to drop"):
        select(perfect(1), variation_share=share)


RATES = st.sampled_from([0.0, 0.0, 0.1, 0.2]) | st.floats(0, 1)
QUALITIES = st.lists(st.none() | st.builds(Quality, RATES, RATES, RATES, RATES), max_size=60)
SHARES = st.floats(0, 0.99)


@given(QUALITIES, SHARES, SHARES)
def test_who_is_selected_is_no_worse_than_the_limits_and_nobody_else_is(
    quality: list[Quality | None], variation: float, gap: float
) -> None:
    chosen = select(quality, variation_share=variation, gap_share=gap)
    limits = find_limits(quality, variation_share=variation, gap_share=gap)
    for one, is_chosen in zip(quality, chosen.tolist(), strict=True):
        assert is_chosen == (
            one is not None
            and one.matching_rate > 0
            and one.variation_rate <= limits.variation_rate
            and one.alignment_gap <= limits.alignment_gap
        )
        if one is not None and one.matching_rate > 0 and one.variation_rate == 0:
            assert is_chosen or one.alignment_gap > 0


@given(QUALITIES, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(
    quality: list[Quality | None], random: Random
) -> None:
    order = list(range(len(quality)))
    random.shuffle(order)
    shuffled = select([quality[i] for i in order])
    assert shuffled.tolist() == select(quality)[order].tolist() if order else True


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80, unique=True), SHARES)
def test_without_equals_the_share_is_met(values: list[float], share: float) -> None:
    dropped = int((np.array(values) > limit(np.array(values), share)).sum())
    assert abs(dropped - share * len(values)) <= 0.5 or dropped == len(values) - 1


@given(st.text("ab walked.今,", max_size=40), st.text("ab walks.今,", max_size=40))
def test_rates_fit_together(text: str, compressed: str) -> None:
    found = measure(text, compressed)
    assert 0 <= found.variation_rate <= 1
    assert 0 <= found.matching_rate <= min(1, found.hitting_rate)
    assert found.alignment_gap == pytest.approx(found.hitting_rate - found.matching_rate)


@given(st.text(max_size=80))
def test_the_passage_itself_is_a_perfect_compression(text: str) -> None:
    found = measure(text, text)
    assert (found.variation_rate, found.alignment_gap) == (0, 0)
    assert found.hitting_rate == found.matching_rate
    assert found.matching_rate in {0, 1}
