import pytest

from compressor.evaluate.survival import holds_answer, normalise, survival


def test_normalise_as_squad_does():
    assert normalise("  The Cat, a  dog\nand AN owl! ") == "cat dog and owl"


@pytest.mark.parametrize(
    ("text", "answers", "held"),
    [
        ("Opened on May 18, 2018 in Rome", ["May 18 2018"], True),
        ("Opened May 2018 Rome", ["May 18, 2018"], False),
        ("met the king of Spain", ["Queen", "The King of the Spain"], True),
        ("anything", ["The", "?", ""], False),
        ("anything", [], False),
    ],
)
def test_holds_answer(text: str, answers: list[str], held: bool):
    assert holds_answer(text, answers) is held


def test_the_share_is_of_records_that_hold_an_answer_at_first():
    originals = ["red and blue", "red and blue", "green"]
    assert survival(originals, ["blue", "red", "green"], [["blue"], ["blue"], ["blue"]]) == 0.5


def test_survival_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="no record"):
        survival(["a b"], ["b"], [["zebra"]])
    with pytest.raises(ValueError, match="shorter"):
        survival(["a b"], [], [["b"]])
