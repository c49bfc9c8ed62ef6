"""A passage is found again in the text that it was cut out of, and nowhere else."""

from hypothesis import given
from hypothesis import strategies as st

from compressor.evaluate.overlap import grams, touched

MEETING = """Ada: Shall we begin? I don't know if you want to start with the budget.
Ben: The remote control costs twelve euros fifty, which is what was agreed in March.
Ada: And the rubber case was ruled out because it melts near the oven, as the test has shown."""
OTHER = """Cyd: I don't know if you want to start with the minutes of our last meeting or with mine.
Dee: Neither; the microphones of the second room are still broken and nobody has ordered new ones
although it was promised by the end of last year that all of them would be replaced."""


def test_a_passage_without_the_names_is_found() -> None:
    passage = (
        "the remote control costs twelve euros fifty, which is what was agreed in March\n"
        "and the rubber case was ruled out because it melts near the oven"
    )
    assert touched([MEETING, OTHER], [passage]) == [True, False]


def test_a_stock_phrase_is_no_passage() -> None:
    assert grams(MEETING) & grams(OTHER)
    assert touched([MEETING], [OTHER]) == [False]


def test_a_text_of_five_words_holds_nothing_to_compare() -> None:
    assert grams("one two three four five") == frozenset()
    assert touched([MEETING], ["Shall we begin?"]) == [False]
    assert touched([], [MEETING]) == []
    assert touched([MEETING], []) == [False]


WORDS = st.lists(st.sampled_from([f"w{n}" for n in range(500)]), min_size=30, max_size=60)


@given(text=WORDS, start=st.integers(0, 10), size=st.integers(8, 20))
def test_any_piece_is_found(text: list[str], start: int, size: int) -> None:
    piece = " ".join(text[start : start + size])
    assert touched([" ".join(text).upper() + "!"], [piece]) == [True]
