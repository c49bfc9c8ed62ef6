"""The one budget: met by every ranking of words, and only the ranking decides what is kept."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.evaluate.budget import Budget

TEXT = "In 1969 two people (of NASA) walked on the Moon; they didn't stay for 22 hours."
texts = st.lists(
    st.one_of(
        st.text(max_size=80),
        st.lists(
            st.sampled_from([*TEXT.split(), "naïve", "苹果很好吃", "x" * 90]), max_size=40
        ).map(" ".join),
    ),
    max_size=6,
)


@cache
def shipped() -> Budget:
    return Budget.load(None)


@pytest.fixture
def budget() -> Budget:
    return shipped()


def test_words_are_spans_without_punctuation(budget: Budget) -> None:
    (spans,) = budget.words([TEXT])
    words = [TEXT[start:end] for start, end in spans]
    assert words[:7] == ["In", "1969", "two", "people", "of", "NASA", "walked"]
    assert words[-5:] == ["didn't", "stay", "for", "22", "hours"]


def test_the_highest_scores_are_kept_with_their_punctuation(budget: Budget) -> None:
    wanted = ["NASA", "Moon", "22", "hours"]
    (spans,) = budget.words([TEXT])
    score = [float(TEXT[start:end] in wanted) for start, end in spans]
    assert budget.cut([TEXT], [score], 0.3)[0].endswith("NASA) Moon; 22 hours.")


def test_of_equal_scores_the_earlier_word_is_kept(budget: Budget) -> None:
    text = "one two three four five six"
    assert budget.cut([text], [np.zeros(6)], 0.5) == ["one two three"]


@settings(max_examples=60, deadline=None)
@given(texts, st.floats(0.05, 1), st.integers(0, 9))
def test_the_budget_holds_for_any_scores(texts: list[str], rate: float, seed: int) -> None:
    budget = shipped()
    generator = np.random.default_rng(seed)
    scores = [generator.random(len(spans)) for spans in budget.words(texts)]
    cut = budget.cut(texts, scores, rate)
    targets, before, after = budget.targets(texts, rate), budget.count(texts), budget.count(cut)
    assert (after <= targets).all()
    whole = targets >= before
    assert all(cut[at] == texts[at] for at in np.flatnonzero(whole))
    # Long words and forms that merge may leave a gap; plain words fill it to the last tokens.
    plain = np.array([text.isascii() and "x" * 20 not in text for text in texts], bool)
    plain &= np.array([len(spans) > 12 for spans in budget.words(texts)], bool)
    assert (after >= targets - np.maximum(2, targets // 50))[plain & ~whole].all()
    alone = [
        budget.cut([text], [score], rate)[0] for text, score in zip(texts, scores, strict=True)
    ]
    assert alone == cut


@settings(max_examples=60, deadline=None)
@given(texts, st.floats(0.05, 1))
def test_the_first_words_are_a_beginning_and_no_longer_one_fits(
    texts: list[str], rate: float
) -> None:
    budget = shipped()
    cut = budget.first_words(texts, rate)
    targets = budget.targets(texts, rate)
    assert (budget.count(cut) <= targets).all()
    assert all(text.startswith(part) for text, part in zip(texts, cut, strict=True))
    for text, part, target in zip(texts, cut, targets.tolist(), strict=True):
        if part != text and text.isascii() and " " in text[len(part) + 1 :]:
            longer = text[: text.index(" ", len(part) + 1)]
            assert budget.count([longer])[0] > target or len(longer.split()) == len(part.split())


def test_another_tokenizer_counts(target_tokenizer: str) -> None:
    budget = Budget.load(target_tokenizer)
    (spans,) = budget.words([TEXT])
    kept = budget.cut([TEXT], [np.arange(len(spans))], 0.5)
    target = int(budget.targets([TEXT], 0.5)[0])
    assert target - 2 <= int(budget.count(kept)[0]) <= target
    assert target != Budget.load(None).targets([TEXT], 0.5)[0]


def test_scores_that_do_not_fit_are_refused(budget: Budget) -> None:
    with pytest.raises(ValueError, match="for 0 texts, there are 1"):
        budget.cut([TEXT], [], 0.5)
    with pytest.raises(ValueError, match="words of 'In 1969"):
        budget.cut([TEXT], [[1.0]], 0.5)
