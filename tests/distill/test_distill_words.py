import pytest

from compressor.distill.words import Vocabulary, are_forms, split_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("walk", "walked"), ("walking", "walks"), ("city", "cities"), ("plan", "planning"),
        ("make", "making"), ("old", "oldest"), ("create", "creation"), ("“", '"'), ("–", "-"),
        ("ｗalk", "walks"),
    ],
)  # fmt: skip
def test_forms(one: str, other: str) -> None:
    assert are_forms(one, other)
    assert are_forms(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the", "there"), ("1957", "1957s"), ("north", "northern"), ("is", "it"), ("he", "her"),
        ("foo_bar", "foo_bars"), ("天", "气"), ("", "s"), ("car", "carpet"), (",", "."),
    ],
)  # fmt: skip
def test_no_forms(one: str, other: str) -> None:
    assert not are_forms(one, other)


def test_a_vocabulary_holds_words_in_any_form() -> None:
    vocabulary = Vocabulary(split_words("The Teachers taught; walking"))
    assert vocabulary.codes == {"the": 0, "teachers": 1, "taught": 2, ";": 3, "walking": 4}
    assert vocabulary.forms("walks") == [4]
    assert vocabulary.forms("teachers") == []
    assert vocabulary.holds("the")
    assert vocabulary.holds("teacher")
    assert not vocabulary.holds("teach1")
