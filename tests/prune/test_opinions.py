"""What is worked out once for a pool is what each question would have found out anew."""

from pathlib import Path

import numpy as np
import pytest

from compressor.prune.opinions import SHOTS_AT_ONCE, Opinions, pays
from compressor.prune.pruner import Pruner
from compressor.reinforce.observe import Observer
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.words import Words
from tests.reinforce.conftest import make_shots

BUDGETS = [9, 60, 110, 200, 400]
QUESTIONS = [
    "Ada has 3 dogs and buys 4 more of them. How many dogs does Ada have?",
    "How many eggs are 5 eggs and 6 eggs?",
]


@pytest.fixture(scope="module")
def pruner(policy_folder: Path) -> Pruner:
    return Pruner(str(policy_folder), device="cpu")


@pytest.fixture(scope="module")
def pool(pruner: Pruner) -> Pool:
    return pruner.pool(make_shots(24))


def test_prompts_are_those_of_looking_anew(
    policy_folder: Path, pruner: Pruner, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowing = Pruner(str(policy_folder), device="cpu").sees_as(pruner)
    knowing.know(pruner.opinions(pool.shots)[0])
    near = pruner.nearest(QUESTIONS, pool, 16, apart=True)
    asked = [
        (question, budget, nearest)
        for question, nearest in zip(QUESTIONS, near, strict=True)
        for budget in BUDGETS
    ]
    anew = [pruner.for_question(question, pool, one, budget) for question, budget, one in asked]
    monkeypatch.delattr(Observer, "observe")  # what is known isn't looked at again
    found = [knowing.for_question(question, pool, one, budget) for question, budget, one in asked]
    assert found == anew
    assert len({pruned.text for pruned, _ in found}) == len(asked)
    for (pruned, shots), (_, budget, _) in zip(found, asked, strict=True):
        assert budget - 12 < pruned.tokens <= budget
        assert len(shots) == len(pruned.shots) >= 1


def test_the_parts_of_a_pool_give_what_the_whole_gives(pruner: Pruner) -> None:
    shots = make_shots(2 * SHOTS_AT_ONCE + 2)
    (whole,) = pruner.opinions(shots)
    parts = [
        pruner.opinions(shots[at : at + SHOTS_AT_ONCE])[0]
        for at in range(0, len(shots), SHOTS_AT_ONCE)
    ]
    joined = Opinions.joined(parts)
    for name in ("shots", "words", "counts", "tokens", "least", "whole"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert (whole.least <= whole.tokens).all()
    assert (whole.tokens <= whole.whole).all()
    assert (whole.tokens < whole.whole).any()
    some = np.array([3, 1, 70])
    words = Words.of([shots[at] for at in some], pruner.encoder.tokenizer, pruner.counter)
    np.testing.assert_array_equal(np.bincount(words.row), whole.counts[some])
    assert len(whole.words_of(some)) == len(words.row)


def test_several_policies_look_together(policy_folder: Path, pruner: Pruner, pool: Pool) -> None:
    other = Pruner(str(policy_folder), device="cpu").sees_as(pruner)
    one, another = pruner.opinions(pool.shots, other)
    np.testing.assert_array_equal(one.shots, another.shots)
    np.testing.assert_array_equal(one.words, another.words)


def test_it_pays_where_a_pool_would_be_looked_at_more_than_once() -> None:
    assert pays(questions=500, candidates=64, shots=16_541)
    assert not pays(questions=10, candidates=64, shots=16_541)
