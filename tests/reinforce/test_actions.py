"""What is asked about, what becomes of it, and how likely it was."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.reinforce.actions import (
    carry_out,
    divergence,
    entropies,
    log_probability,
    probabilities,
    prompt_order,
    sample,
    visit,
)
from compressor.reinforce.observe import Candidates, Observer
from compressor.reinforce.policy import Logits
from tests.reinforce.conftest import make_shots

COSTS = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def candidates(observer: Observer) -> Candidates:
    return observer.observe(make_shots(4), np.array([0.9, 0.8, 0.7, 0.6]))


def logits_of(candidates: Candidates, seed: int) -> Logits:
    generator = torch.Generator().manual_seed(seed)
    return Logits(
        torch.randn(len(candidates.words), generator=generator),
        torch.randn(len(candidates.words.row), generator=generator),
    )


@given(costs=COSTS, data=st.data(), budget=st.integers(1, 200))
def test_each_kept_shot_brings_the_prompt_nearer_to_the_budget(
    costs: list[int], data: st.DataObject, budget: int
) -> None:
    drawn = np.array(data.draw(st.lists(st.booleans(), min_size=len(costs), max_size=len(costs))))
    asked, kept = visit(drawn, costs, costs, budget)
    assert (kept == (asked & drawn)).all()
    total = 0
    for cost, was_asked, was_kept in zip(costs, asked, kept, strict=True):
        nearer = abs(budget - total - cost) < abs(budget - total)
        assert was_asked == nearer
        total += cost if was_kept else 0


def test_a_visit_by_hand() -> None:
    drawn = np.array([True, False, True, True, True])
    asked, kept = visit(drawn, [40, 40, 40, 40, 10], [40, 40, 40, 40, 10], 95)
    assert asked.tolist() == [True, True, True, False, True]
    assert kept.tolist() == [True, False, True, False, True]
    assert prompt_order(kept) == [4, 2, 0]  # the nearest last


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), budget=st.integers(10, 400))
def test_samples_are_what_they_say(candidates: Candidates, seed: int, budget: int) -> None:
    logits, words = logits_of(candidates, seed), candidates.words
    found = sample(
        candidates,
        logits,
        budget=budget,
        repeats=3,
        stages=("shots", "tokens"),
        generator=np.random.default_rng(seed),
    )
    assert found.kept.any(1).all()  # one at least
    assert (found.words | ~words.fixed).all()
    assert not (found.acted & words.fixed).any()
    np.testing.assert_array_equal(found.tokens, words.counter.count(list(found.prompts)))
    shots = torch.sigmoid(logits.shots).double().numpy()
    chances = torch.sigmoid(logits.words).double().numpy()
    wanted = []
    for n in range(3):
        total = 0.0
        for shot in range(len(words)):
            if found.asked[n, shot]:
                total += np.log(shots[shot] if found.drawn[n, shot] else 1 - shots[shot])
        for word in range(len(words.row)):
            if found.kept[n, words.row[word]] and not words.fixed[word]:
                total += np.log(chances[word] if found.words[n, word] else 1 - chances[word])
        wanted.append(total)
    np.testing.assert_allclose(log_probability(logits, found).numpy(), wanted, rtol=1e-4)


def test_the_share_that_is_kept_is_the_probability(candidates: Candidates) -> None:
    logits = logits_of(candidates, 1)
    found = sample(
        candidates,
        logits,
        budget=100_000,
        repeats=400,
        stages=("shots", "tokens"),
        generator=np.random.default_rng(0),
    )
    shots, words = probabilities(candidates.words, logits, ("shots", "tokens"))
    assert found.asked.all()
    np.testing.assert_allclose(found.drawn.mean(0), shots, atol=0.1)
    np.testing.assert_allclose(found.words.mean(0), words, atol=0.12)


@pytest.mark.parametrize("stage", ["shots", "tokens"])
def test_a_stage_alone_decides_alone(candidates: Candidates, stage: str) -> None:
    logits = Logits(
        torch.full((len(candidates.words),), -1.0), torch.full((len(candidates.words.row),), -1.0)
    )
    found = sample(
        candidates,
        logits,
        budget=200,
        repeats=6,
        stages=[stage],
        generator=np.random.default_rng(0),
    )
    assert found.asked.any() == (stage == "shots")
    assert found.acted.any() == (stage == "tokens")
    assert found.words.all() == (stage == "shots")
    assert found.drawn.all() == (stage == "tokens")


def test_entropy_and_divergence_by_hand(candidates: Candidates) -> None:
    words = candidates.words
    k, w = len(words), len(words.row)
    logits = Logits(torch.zeros(k), torch.full((w,), float(np.log(3))))
    drawn, chosen = np.ones((1, k), bool), np.ones((1, w), bool)
    found: Any = carry_out(
        candidates, logits, drawn, chosen, budget=100_000, stages=("shots", "tokens")
    )
    shot_entropy, word_entropy = entropies(logits, found)
    assert float(shot_entropy) == pytest.approx(np.log(2), abs=1e-6)
    assert float(word_entropy) == pytest.approx(0.75 * np.log(4 / 3) + 0.25 * np.log(4), abs=1e-6)
    start = Logits(torch.full((k,), float(np.log(3))), torch.zeros(w))
    shot_kl, word_kl = divergence(logits, start, found)
    assert shot_kl == pytest.approx(0.5 * np.log(2 / 3) + 0.5 * np.log(2), abs=1e-6)
    assert word_kl == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5), abs=1e-6)
    assert divergence(logits, logits, found) == (0, 0)
