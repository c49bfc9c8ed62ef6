import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.distill.align import NOWHERE, align
from compressor.distill.words import split_words


def kept(text: str, compressed: str) -> list[int]:
    """Positions in `text` of the words of `compressed`."""
    found: list[int] = align(split_words(text), split_words(compressed)).tolist()
    return found


def test_another_form_is_found_where_the_word_itself_is_not_in_reach() -> None:
    assert kept("he walked home and she cooks", "he walks home she cooked") == [0, 1, 2, 4, 5]


def test_the_word_itself_goes_before_its_forms() -> None:
    assert kept("plans were planned and plans were made", "plans made") == [4, 6]
    assert kept("she plans, they planned", "planned") == [4]


def test_typography_makes_no_difference() -> None:
    assert kept("It’s “new” – really", 'It\'s "new" - really') == list(range(8))
    assert kept("ＡＢＣ café ﬁne", "ABC cafe\u0301 fine") == [0, 1, 2]


def test_a_moved_phrase_stays_together() -> None:
    text = "in May the king of the north met the queen of the south in Rome"
    assert kept(text, "met queen of the south in Rome the king of the north")[-5:] == [
        2,
        3,
        4,
        5,
        6,
    ]


def test_a_frequent_word_far_from_its_neighbours_was_invented() -> None:
    text = "one two three four five six seven eight nine ten the king the queen the end"
    assert kept(text, "the one two") == [NOWHERE, 0, 1]
    assert kept(text, "queen one two") == [13, 0, 1]


def test_a_mark_out_of_order_was_invented() -> None:
    assert kept("one, two three", "one two, three") == [0, 2, NOWHERE, 3]


def test_blanks_between_characters_make_no_difference() -> None:
    text = "今天天气很好，我们去公园。明天天气不好。"
    assert kept(text, "今天 天气好 去公园") == kept(text, "今天天气好去公园")
    assert kept(text, "今天 天气好 去公园") == [0, 1, 2, 3, 5, 9, 10, 11]


def test_a_long_deletion_is_jumped_over() -> None:
    ruler = "- " * 3000
    assert kept(f"one two {ruler} three four", "one two three four") == [0, 1, 3002, 3003]
    words = " ".join(f"w{i}" for i in range(5000))
    assert kept(f"one {words} one two", "one w3 w4 w4998 two") == [0, 4, 5, 4999, 5002]


def test_a_long_and_repetitive_text() -> None:
    times = 1_500  # at a cost that grows with the square this would take minutes
    source = split_words("the cat | the dog | " * times)
    words = split_words("the cat the dog | " * times)[: 4 * times]
    assert (align(source, words) != NOWHERE).mean() > 0.9


def runs(positions: list[int]) -> int:
    return sum(1 for i, p in enumerate(positions) if i == 0 or positions[i - 1] != p - 1)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=30),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
@settings(max_examples=150, deadline=None)
def test_no_more_runs_than_the_true_alignment(words: list[str], keep: list[bool]) -> None:
    true = [i for i, is_kept in zip(range(len(words)), keep, strict=False) if is_kept]
    source = split_words(" ".join(words))
    found = align(source, [source[i] for i in true]).tolist()
    assert found == sorted(set(found) - {NOWHERE})
    assert runs(found) <= runs(true)


@given(st.permutations(range(12)), st.integers(0, 12), st.data())
@settings(max_examples=200, deadline=None)
def test_words_that_occur_once_are_found_in_any_order(
    order: list[int], size: int, data: st.DataObject
) -> None:
    source = [f"w{i}" for i in range(12)]
    chosen = order[:size]
    words = [source[i] for i in chosen]
    for invented in data.draw(st.lists(st.integers(0, size), max_size=4)):
        words.insert(invented, "invented")
    found = kept(" ".join(source), " ".join(words))
    assert [j for j in found if j != NOWHERE] == chosen
    assert found.count(NOWHERE) == len(words) - size


@given(st.text("ab .今", max_size=40), st.text("ab .今", max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_place_is_taken_twice_and_places_hold_the_word(text: str, compressed: str) -> None:
    source, words = split_words(text), split_words(compressed)
    positions = align(source, words)
    placed = positions[positions != NOWHERE].tolist()
    assert len(set(placed)) == len(placed)
    for word, j in zip(words, positions.tolist(), strict=True):
        assert j == NOWHERE or source[j].key == word.key
    assert positions.dtype == np.int64
