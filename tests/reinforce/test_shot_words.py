"""What of a shot may be dropped, and what the rest looks like."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.reinforce.observe import Observer
from compressor.reinforce.shots import Shot
from compressor.reinforce.words import FIRST_POSITIONS, Words
from compressor.report.align import kept_spans
from tests.reinforce.conftest import make_shots

NOTHING_CHECKED = list(HealthCheck)
TEXT = st.text(max_size=60) | st.sampled_from([shot.question for shot in make_shots(4)])


def words_of(observer: Observer, *shots: Shot) -> Words:
    return Words.of(shots, observer.encoder.tokenizer, observer.counter)


def pruned(words: Words, keep: np.ndarray) -> list[str]:
    return words.texts(keep, np.arange(len(words)))


@pytest.mark.parametrize(
    ("solution", "stays"),
    [
        ("Ben sold 12 apples for 3.50 dollars in 2 hours.", ["12", "3.50", "dollars", "2 hours"]),
        ("So 3 + 4 = 7 and 7 * 2 = 14.", ["3 + 4 = 7", "7 * 2 = 14"]),
        ("It is 10 x 1/5 = 2 then.", ["10 x 1/5 = 2"]),
        ("She pays $1,200 that is 20% off.", ["$1,200", "20%"]),
        ("He has five.\n#### 5", ["#### 5"]),
        ("He has some. The answer is 16.", ["The answer is 16"]),
    ],
)
def test_numbers_operators_units_and_marks_stay(
    observer: Observer, solution: str, stays: list[str]
) -> None:
    words = words_of(observer, Shot("a", "How many?", solution))
    (text,) = pruned(words, words.fixed)
    assert text.startswith("Question:")
    assert "\nAnswer:" in text
    for part in stays:
        assert part in text
    assert len(text) < len(words_of(observer, Shot("a", "How many?", solution)).batch.code) - 7


def test_the_question_ends_where_it_ends(observer: Observer) -> None:
    shot = Shot("a", "Who has three cups", "Ada has them")
    words = words_of(observer, shot)
    _, start = words.starts()
    assert [shot.text[at:].split()[0] for at in start[words.in_question]] == [
        *("Question:", "Who", "has", "three", "cups")
    ]
    assert [shot.text[at:].split()[0] for at in start[~words.in_question]] == [
        *("Answer:", "Ada", "has", "them")
    ]


@settings(deadline=None, max_examples=60, suppress_health_check=NOTHING_CHECKED)
@given(data=st.data(), parts=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3))
def test_what_is_left_is_a_selection_with_all_that_is_fixed(
    observer: Observer, data: st.DataObject, parts: list[tuple[str, str]]
) -> None:
    shots = [Shot(str(n), question, solution) for n, (question, solution) in enumerate(parts)]
    words = words_of(observer, *shots)
    w = len(words.row)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=w, max_size=w)), bool)
    keep = chosen | words.fixed
    for shot, text, least in zip(
        shots, pruned(words, keep), pruned(words, words.fixed), strict=True
    ):
        assert kept_spans(shot.text, text) is not None
        assert kept_spans(text, least) is not None
    assert [len(text.split()) for text in pruned(words, np.ones(w, bool))] == [
        len(shot.text.split()) for shot in shots
    ]


@settings(deadline=None, max_examples=60, suppress_health_check=NOTHING_CHECKED)
@given(parts=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3))
def test_positions_belong_to_words_of_their_shot(
    observer: Observer, parts: list[tuple[str, str]]
) -> None:
    shots = [Shot(str(n), question, solution) for n, (question, solution) in enumerate(parts)]
    words = words_of(observer, *shots)
    shot_of_position = np.repeat(np.arange(len(shots)), words.batch.subwords.counts)
    some = words.of_position >= 0
    assert (words.row[words.of_position[some]] == shot_of_position[some]).all()
    for first in words.batch.subwords.splits[:-1]:
        at = words.of_position[first : first + FIRST_POSITIONS]
        assert words.fixed[at[at >= 0]].all()
    np.testing.assert_array_equal(
        words.whole, observer.counter.count([shot.text + "\n\n" for shot in shots])
    )
