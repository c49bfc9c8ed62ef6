"""Deterministic inference: the budget holds and is filled, what is protected stays."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.reinforce.observe import Candidates, Observer
from compressor.reinforce.policy import Logits
from compressor.reinforce.prune import prune
from compressor.reinforce.shots import Shot
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
    found = prune(candidates, logits, budget=budget, threshold=threshold, stages=stages)
    again = prune(candidates, logits, budget=budget, threshold=threshold, stages=stages)
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
        found = prune(candidates, Logits(shots, torch.ones(w)), budget=90)
        assert best in found.shots


def test_all_is_kept_where_all_fits(candidates: Candidates) -> None:
    found = prune(candidates, logits_of(candidates, 0), budget=100_000)
    assert found.text == "\n\n".join(shot.text for shot in reversed(candidates.shots))
    assert found.whole_tokens > found.tokens  # a separator behind each


def test_words_that_go_make_room_for_more_shots(candidates: Candidates) -> None:
    k, w = len(candidates.words), len(candidates.words.row)
    whole = prune(candidates, Logits(torch.ones(k), torch.ones(w)), budget=170)
    pruned = prune(candidates, Logits(torch.ones(k), -torch.ones(w)), budget=170)
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
    found = prune(candidates, logits_of(candidates, 1), budget=budget)
    assert found.tokens == int(candidates.words.counter.count([found.text])[0]) <= budget
