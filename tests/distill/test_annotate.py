import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.distill.annotate import annotate
from compressor.distill.words import split_words


def labelled(text: str, half: str, quarter: str) -> list[tuple[str, float]]:
    result = annotate(text, half, quarter)
    return [
        (text[start:end], label)
        for (start, end), label in zip(result.spans.tolist(), result.labels.tolist(), strict=True)
    ]


def test_words_get_the_grade_of_the_shortest_text_that_keeps_them() -> None:
    assert labelled("The cat sat down.", "cat sat.", "cat") == [
        ("The", 0.0),
        ("cat", 1.0),
        ("sat", 0.5),
        ("down", 0.0),
        (".", 0.5),
    ]


def test_a_repeated_word_is_found_beside_its_neighbour() -> None:
    # A greedy search would take the first "the" and the first "of".
    text = "the end of the road of the king of the hill"
    grades = dict(enumerate(label for _, label in labelled(text, "king of the hill", "")))
    assert [i for i, label in grades.items() if label] == [7, 8, 9, 10]


def test_a_lone_function_word_stands_before_the_word_that_it_leads_to() -> None:
    text = "in spring they met in a house in Rome"
    kept = [i for i, (_, label) in enumerate(labelled(text, "met in Rome", "")) if label]
    assert kept == [3, 7, 8]


def test_case_decides_between_equals() -> None:
    text = "May may come may"
    assert [label for _, label in labelled(text, "May", "")] == [0.5, 0.0, 0.0, 0.0]


def test_attached_punctuation_may_be_missing() -> None:
    text = "Rome, Paris, and (later) Oslo."
    kept = [word for word, label in labelled(text, "Rome Paris later Oslo", "Oslo") if label]
    assert kept == ["Rome", "Paris", "later", "Oslo"]


def test_words_across_a_missing_mark_still_count_as_neighbours() -> None:
    text = "red, blue, red green blue"
    kept = [i for i, (_, label) in enumerate(labelled(text, "red blue", "")) if label]
    assert kept == [0, 2]


def test_invented_words_are_left_out_and_counted() -> None:
    result = annotate("one two three", "one zwei three", "drei three")
    assert result.labels.tolist() == [0.5, 0.0, 1.0]
    assert result.unmatched == 2


def test_words_out_of_order_are_found() -> None:
    result = annotate("one two three four five", "two one four", "four two")
    assert result.labels.tolist() == [0.5, 1, 0, 1, 0]
    assert result.unmatched == 0


def test_one_level_is_kept_or_dropped() -> None:
    result = annotate("one two three", "one zwei three", None)
    assert result.labels.tolist() == [1, 0, 1]
    assert result.unmatched == 1


def test_scripts_without_spaces_are_labelled_by_character() -> None:
    text = "今天天气很好。"
    assert [label for _, label in labelled(text, "今天 很好", "很好")] == [0.5, 0.5, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_nothing_to_label(text: str) -> None:
    result = annotate(text, "a", "")
    assert result.spans.shape == (0, 2)
    assert result.labels.dtype == np.float32
    assert result.unmatched == 1


def test_empty_compressions_drop_everything() -> None:
    assert annotate("some words here", "", "").labels.tolist() == [0, 0, 0]


# Three words and two marks: nearly everything is a repetition of something.
WORDS = st.lists(st.sampled_from(["a", "b", "The", "the", ",", "-"]), min_size=1, max_size=40)
BLANKS = st.sampled_from(["", " ", "  ", "\n"])


@st.composite
def deletions(draw: st.DrawFn) -> tuple[str, str, str]:
    words = draw(WORDS)
    text = "".join(word + draw(st.sampled_from([" ", "\n", "  "])) for word in words)
    half = [word for word in words if draw(st.booleans())]
    quarter = [word for word in half if draw(st.booleans())]
    return text, " ".join(half), " ".join(quarter)


@given(deletions())
@settings(max_examples=150, deadline=None)
def test_a_pure_deletion_is_reproduced_exactly(case: tuple[str, str, str]) -> None:
    text, half, quarter = case
    words = labelled(text, half, quarter)
    assert [w.lower() for w, label in words if label > 0] == half.lower().split()
    assert [w.lower() for w, label in words if label == 1] == quarter.lower().split()
    assert annotate(text, half, quarter).unmatched == 0


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=15))
@settings(max_examples=200, deadline=None)
def test_any_text_is_labelled_in_order_without_blanks(text: str, half: str, quarter: str) -> None:
    result = annotate(text, half, quarter)
    flat = result.spans.ravel()
    assert (np.diff(flat) >= 0).all()
    covered = sum(int(end - start) for start, end in result.spans)
    assert covered == sum(len(word.text) for word in split_words(text))
    assert set(result.labels.tolist()) <= {0.0, 0.5, 1.0}
