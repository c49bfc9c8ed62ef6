"""Keep masks under a budget: the distribution against an enumeration, the budget as a property."""

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.engine.document import build_batch
from compressor.engine.subwords import FastTokenizer
from compressor.models.checkpoint import load_tokenizer
from compressor.reinforce.tokens.carried import carry_out
from compressor.reinforce.tokens.masks import (
    Choice,
    Masks,
    choices,
    divergence,
    entropy,
    in_batch,
)
from tests.conftest import TEXTS

Flags = npt.NDArray[np.bool_]


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Choice, torch.Tensor]:
    """Up to seven units of one to three tokens, some of them marks of the word before."""
    size = draw(st.integers(1, 7))
    cost = np.array(draw(st.lists(st.integers(1, 3), min_size=size, max_size=size)), np.int64)
    mark = np.array([False, *draw(st.lists(st.booleans(), min_size=size - 1, max_size=size - 1))])
    budget = draw(st.integers(0, int(cost.sum())))
    least = draw(st.integers(0, budget))
    chance = st.floats(0.01, 0.99)
    chances = draw(st.lists(chance, min_size=size, max_size=size))
    choice = Choice(np.arange(size), cost, mark, budget, least)
    return choice, torch.tensor(chances, dtype=torch.float64)


def legal(choice: Choice) -> Flags:
    """All masks that fill the budget, marks with their words only, bool [n, u]."""
    masks = []
    for kept in itertools.product([False, True], repeat=len(choice.cost)):
        word = True
        for keep, mark in zip(kept, choice.mark, strict=True):
            if mark and keep and not word:
                break
            word = word if mark else keep
        else:
            masks.append(kept)
    every = np.array(masks, bool)
    totals = (every * choice.cost).sum(1)
    fits = every[totals <= choice.budget]
    totals = totals[totals <= choice.budget]
    full = totals >= choice.least
    return np.asarray(fits[full] if full.any() else fits[totals == totals.max()])


def exact(choice: Choice, chances: torch.Tensor, masks: Flags) -> npt.NDArray[np.float64]:
    """Of coins for each sub-word that agree within a word, on the condition of being legal."""
    p = chances.numpy()
    odds = (p / (1 - p)) ** choice.cost
    weight = np.where(masks, odds, 1.0).prod(1)
    return np.asarray(weight / weight.sum())


@given(tasks())
@settings(max_examples=60, deadline=None)
def test_the_likelihood_is_that_of_coins_that_fill_the_budget(
    task: tuple[Choice, torch.Tensor],
) -> None:
    choice, chances = task
    chances.requires_grad_(True)
    masks = legal(choice)
    found = Masks(choice, chances).log_probability(masks)
    wanted = exact(choice, chances.detach(), masks)
    np.testing.assert_allclose(found.detach().exp().numpy(), wanted, rtol=1e-8, atol=1e-12)
    # The score of a mask: what it keeps, less what is kept on average.
    (score,) = torch.autograd.grad(found[0], chances)
    p = chances.detach().numpy()
    inside = (wanted[:, None] * masks).sum(0)
    score_wanted = choice.cost * (masks[0] - inside) / (p * (1 - p))
    np.testing.assert_allclose(score.numpy(), score_wanted, rtol=1e-6, atol=1e-8)


@given(tasks(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_fills_the_budget(task: tuple[Choice, torch.Tensor], seed: int) -> None:
    choice, chances = task
    drawn = Masks(choice, chances).draw(30, np.random.default_rng(seed))
    assert {tuple(mask) for mask in drawn.tolist()} <= {
        tuple(mask) for mask in legal(choice).tolist()
    }


def test_masks_come_as_often_as_they_are_likely() -> None:
    choice = Choice(
        np.arange(6),
        np.array([1, 1, 2, 1, 3, 1], np.int64),
        np.array([False, True, False, False, False, True]),
        budget=5,
        least=3,
    )
    chances = torch.tensor([0.7, 0.4, 0.55, 0.2, 0.6, 0.5], dtype=torch.float64)
    masks = legal(choice)
    wanted = exact(choice, chances, masks)
    n = 40_000
    drawn = Masks(choice, chances).draw(n, np.random.default_rng(0))
    for mask, p in zip(masks, wanted, strict=True):
        share = (drawn == mask).all(1).mean()
        assert share == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / n) + 1e-6)


def test_a_lower_temperature_draws_the_likeliest_words() -> None:
    choice = Choice(np.arange(5), np.ones(5, np.int64), np.zeros(5, bool), budget=2, least=2)
    chances = torch.tensor([0.3, 0.8, 0.2, 0.6, 0.4], dtype=torch.float64)
    cold = Masks(choice, chances, temperature=0.02).draw(200, np.random.default_rng(0))
    assert (cold == [False, True, False, True, False]).all()
    warm = Masks(choice, chances, temperature=10).draw(200, np.random.default_rng(0))
    assert warm.mean(0).min() > 0.2


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> FastTokenizer:
    return FastTokenizer(load_tokenizer(tiny_model))


@given(
    texts=st.lists(
        st.one_of(
            st.sampled_from(TEXTS),
            st.text(min_size=1, max_size=60),
            st.lists(st.sampled_from(["moon", "(1969)", "x-ray", "fox,", "...", "月", "\n"])).map(
                " ".join
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    rate=st.floats(0.05, 0.95),
    seed=st.integers(0, 1000),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_text_exceeds_its_budget_and_each_is_filled(
    tokenizer: FastTokenizer, texts: list[str], rate: float, seed: int
) -> None:
    batch = build_batch(texts, tokenizer)
    targets = np.maximum(1, np.round(rate * batch.tokens).astype(np.int64))
    generator = np.random.default_rng(seed)
    chances = generator.random(len(batch.row))
    options = choices(batch, targets)
    some = [choice for choice in options if len(choice.unit)]
    masks = [
        Masks(choice, torch.from_numpy(chances[choice.unit])).draw(3, generator) for choice in some
    ]
    if not some:
        return
    keep = in_batch(some, masks, len(batch.row))
    carried = carry_out(batch, keep, targets, chances, tokenizer.count)
    for own, counted in zip(carried.texts, carried.tokens, strict=True):
        assert (tokenizer.count(own) == counted).all()
        assert (counted <= targets).all()
    plain = np.array([text in TEXTS for text in texts])  # words that cost what they count
    slack = np.maximum(2, targets // 50)
    assert (carried.tokens >= targets - slack)[:, plain].all()


def test_a_text_that_counts_more_than_its_words_loses_the_least_likely(
    tokenizer: FastTokenizer,
) -> None:
    batch = build_batch([TEXTS[0], TEXTS[3]], tokenizer)
    chances = np.linspace(0.9, 0.1, len(batch.row))
    keep = np.ones((1, len(batch.row)), bool)
    targets = np.array([4, 10_000])
    carried = carry_out(batch, keep, targets, chances, tokenizer.count)
    assert carried.texts[0][0] == "The quick brown fox"
    assert carried.texts[0][1].split() == TEXTS[3].split()


def test_entropy_and_divergence_against_hand_computed_ones() -> None:
    half, quarter = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.5])
    assert entropy(half).item() == pytest.approx(np.log(2))
    wanted = (0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75)) / 2
    assert divergence(half, quarter).item() == pytest.approx(wanted, abs=1e-6)
    assert divergence(half, half).item() == 0
