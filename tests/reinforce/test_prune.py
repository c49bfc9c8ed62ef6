"""Deterministic inference: the budget holds and is filled, what is protected stays."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.reader.prompts import SEPARATOR
from compressor.reinforce.actions import ranked
from compressor.reinforce.observe import Candidates, Observer
from compressor.reinforce.policy import Logits
from compressor.reinforce.prune import kept_words, left_over, most, prune, shortlist
from compressor.reinforce.shots import Shot
from compressor.reinforce.words import Words
from compressor.report.align import kept_spans
from tests.reinforce.conftest import make_shots

NOTHING_CHECKED = list(HealthCheck)


@pytest.fixture(scope="module")
def candidates(observer: Observer) -> Candidates:
    return observer.observe(make_shots(6), np.linspace(0.9, 0.5, 6))


def logits_of(candidates: Candidates, seed: int) -> Logits:
    generator = torch.Generator().manual_seed(seed)
    return Logits(
        torch.randn(len(candidates.words), generator=generator),
        torch.randn(len(candidates.words.row), generator=generator),
    )


def parts(text: str) -> list[str]:
    return text.split("\n\n") if text else []


@settings(deadline=None, max_examples=60, suppress_health_check=NOTHING_CHECKED)
@given(
    seed=st.integers(0, 10_000),
    budget=st.integers(1, 500),
    threshold=st.sampled_from([0.2, 0.5, 0.8]),
    stages=st.sampled_from([("shots", "tokens"), ("shots",), ("tokens",)]),
)
def test_the_budget_is_never_exceeded_and_what_is_there_is_a_selection(
    candidates: Candidates, seed: int, budget: int, threshold: float, stages: tuple[str, ...]
) -> None:
    words = candidates.words
    logits = logits_of(candidates, seed)
    found = prune(candidates.words, logits, budget=budget, threshold=threshold, stages=stages)
    again = prune(candidates.words, logits, budget=budget, threshold=threshold, stages=stages)
    assert found == again
    assert found.tokens == int(words.counter.count([found.text])[0]) <= budget
    assert len(parts(found.text)) == len(found.shots)
    assert list(found.shots) == sorted(found.shots, reverse=True)  # the nearest last
    least = words.texts(words.fixed, np.arange(len(words)))
    fits_one = min(words.counter.count(least)) <= budget
    for text, shot in zip(parts(found.text), found.shots, strict=True):
        assert kept_spans(candidates.shots[shot].text, text) is not None
        if len(found.shots) > 1:
            assert kept_spans(text, least[shot]) is not None  # what is protected is there
        if stages == ("shots",) and len(found.shots) > 1:
            assert text == candidates.shots[shot].text
    if stages != ("shots",) and fits_one:
        # Filled: another word of a kept shot, at most a few tokens, wouldn't fit.
        everything = all(
            text == candidates.shots[shot].text
            for text, shot in zip(parts(found.text), found.shots, strict=True)
        )
        assert everything or found.tokens >= budget - 6


def test_the_likeliest_shots_come_first(candidates: Candidates) -> None:
    k, w = len(candidates.words), len(candidates.words.row)
    for best in range(k):
        shots = torch.full((k,), -1.0)
        shots[best] = 3.0
        found = prune(candidates.words, Logits(shots, torch.ones(w)), budget=90)
        assert best in found.shots


def test_all_is_kept_where_all_fits(candidates: Candidates) -> None:
    found = prune(candidates.words, logits_of(candidates, 0), budget=100_000)
    assert found.text == "\n\n".join(shot.text for shot in reversed(candidates.shots))
    assert found.whole_tokens > found.tokens  # a separator behind each


def test_words_that_go_make_room_for_more_shots(candidates: Candidates) -> None:
    k, w = len(candidates.words), len(candidates.words.row)
    whole = prune(candidates.words, Logits(torch.ones(k), torch.ones(w)), budget=170)
    pruned = prune(candidates.words, Logits(torch.ones(k), -torch.ones(w)), budget=170)
    assert len(pruned.shots) > len(whole.shots)
    assert pruned.whole_tokens > pruned.tokens


@settings(deadline=None, max_examples=40, suppress_health_check=NOTHING_CHECKED)
@given(
    texts=st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=4),
    budget=st.integers(1, 80),
)
def test_any_texts(observer: Observer, texts: list[tuple[str, str]], budget: int) -> None:
    shots = [Shot(str(n), question, solution) for n, (question, solution) in enumerate(texts)]
    if not shots:
        return
    candidates = observer.observe(shots)
    found = prune(candidates.words, logits_of(candidates, 1), budget=budget)
    assert found.tokens == int(candidates.words.counter.count([found.text])[0]) <= budget


@settings(deadline=None, max_examples=40, suppress_health_check=NOTHING_CHECKED)
@given(
    seed=st.integers(0, 10_000),
    budget=st.integers(1, 700),
    stages=st.sampled_from([("shots", "tokens"), ("shots",), ("tokens",)]),
)
def test_no_more_than_a_shortlist_needs_to_be_seen(
    observer: Observer, seed: int, budget: int, stages: tuple[str, ...]
) -> None:
    shots = make_shots(20)
    words = Words.of(shots, observer.encoder.tokenizer, observer.counter)
    generator = torch.Generator().manual_seed(seed)
    logits = Logits(
        torch.randn(len(words), generator=generator),
        torch.randn(len(words.row), generator=generator),
    )
    least = words.costs(words.texts(words.fixed, np.arange(len(words))))
    costs = left_over(words, kept_words(words, logits, 0.5, stages))[1]
    room = budget + int(words.counter.count([SEPARATOR])[0])
    some = shortlist(costs, least, ranked(logits, len(words), stages), room)
    assert (np.diff(some) > 0).all()
    of_some = Logits(
        logits.shots[torch.from_numpy(some)],
        logits.words[torch.from_numpy(np.isin(words.row, some))],
    )
    fewer = Words.of([shots[at] for at in some], observer.encoder.tokenizer, observer.counter)
    found = prune(fewer, of_some, budget=budget, stages=stages)
    whole = prune(words, logits, budget=budget, stages=stages)
    assert found.text == whole.text
    assert found.tokens == whole.tokens
    assert [int(some[at]) for at in found.shots] == list(whole.shots)


@given(limit=st.integers(0, 500), wanted=st.integers(0, 600), guess=st.integers(-5, 700))
def test_the_most_that_fits_is_found_from_any_guess(limit: int, wanted: int, guess: int) -> None:
    asked: list[int] = []

    def fits(count: int) -> bool:
        asked.append(count)
        return count <= wanted

    assert most(fits, limit, guess) == min(limit, wanted)
    assert len(set(asked)) == len(asked)
    assert all(1 <= count <= limit for count in asked)
    away = abs(min(limit, wanted) - min(max(guess, 1), max(limit, 1)))
    assert len(asked) <= 2 * (away + 2).bit_length() + 1
