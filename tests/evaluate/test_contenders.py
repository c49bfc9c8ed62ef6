"""The contenders: what each keeps first, and that their names and keys are those configured."""

import os
from pathlib import Path

import pytest

from compressor import Compressor
from compressor.evaluate.budget import Budget
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.contenders.baselines import (
    Truncated,
    by_tfidf,
    random_words,
    without_stop_words,
)
from compressor.evaluate.contenders.contender import UnavailableError
from compressor.evaluate.contenders.llmlingua2 import LLMLingua2
from compressor.evaluate.contenders.ours import Ours
from compressor.evaluate.contenders.registry import load_contender
from compressor.schema import load
from tests.conftest import TEXTS


@pytest.fixture(scope="module")
def budget() -> Budget:
    return Budget.load(None)


def test_truncation_keeps_the_beginning(budget: Budget) -> None:
    text = "one two three four five six"
    assert Truncated("truncate", budget).compress([text], 0.5) == ["one two three"]


def test_random_words_depend_on_seed_and_text_alone(budget: Budget) -> None:
    one = random_words("random", budget, seed=1)
    kept = one.compress(TEXTS, 0.5)
    assert one.compress(TEXTS[::-1], 0.5) == kept[::-1]
    assert random_words("random", budget, seed=2).compress(TEXTS, 0.5) != kept
    assert random_words("random", budget, seed=2).identity != one.identity


def test_stop_words_go_first_then_the_end(budget: Budget) -> None:
    text = "The crew of the ship and its captain didn't reach any port in that year."
    contender = without_stop_words("stopwords", budget)
    kept = [contender.compress([text], rate)[0] for rate in (0.6, 0.5, 0.3)]
    assert kept[0] == "The crew ship captain didn't reach port year."
    assert kept[1:] == ["crew ship captain didn't reach port year", "crew ship captain reach port"]


def test_tfidf_keeps_what_is_rare_elsewhere(budget: Budget) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    texts = ["red house red zebra", "red house blue apple", "red house green river"]
    kept = by_tfidf("tfidf", budget).compress(texts, 0.5)
    assert kept[1:] == ["blue apple", "green river"]
    assert by_tfidf("tfidf", budget).compress(["", "?"], 0.5) == ["", "?"]


def test_ours_is_the_engine_with_the_common_counter(
    tiny_model: Path, target_tokenizer: str
) -> None:
    budget = Budget.load(target_tokenizer)
    kept = Ours("ours", str(tiny_model), budget, dtype="float32").compress(TEXTS, 0.5)
    engine = Compressor.from_pretrained(str(tiny_model), dtype="float32")
    expected = engine.compress(TEXTS, 0.5, tokenizer=target_tokenizer)
    assert kept == [one.text for one in expected]
    assert (budget.count(kept) <= budget.targets(TEXTS, 0.5)).all()


def test_ours_coarse_is_the_engine_that_drops_sentences_first(tiny_model: Path) -> None:
    settings = ["output.path=x", f"model.name={tiny_model}", "model.dtype=float32"]
    config, budget = load(EvaluateConfig, None, settings), Budget.load(str(tiny_model))
    coarse, ours = (load_contender(name, config, budget) for name in ("ours-coarse", "ours"))
    texts = [" ".join(TEXTS), "\n".join(TEXTS[::-1])]
    kept = coarse.compress(texts, 0.4)
    engine = Compressor.from_pretrained(str(tiny_model), dtype="float32")
    expected = engine.compress(texts, 0.4, tokenizer=str(tiny_model), coarse="sentence")
    assert kept == [one.text for one in expected]
    assert kept != ours.compress(texts, 0.4)
    assert (budget.count(kept) <= budget.targets(texts, 0.4)).all()
    assert coarse.identity == f"{ours.identity} coarse sentence"


def test_a_label_names_a_checkpoint(tiny_model: Path, budget: Budget) -> None:
    config = load(EvaluateConfig, None, ["output.path=x", f"model.name={tiny_model}"])
    mine = load_contender(f"mine={tiny_model}", config, budget)
    ours = load_contender("ours", config, budget)
    shipped = load_contender("shipped=default", config, budget)
    assert [one.name for one in (mine, ours, shipped)] == ["mine", "ours", "shipped"]
    assert mine.identity == ours.identity != shipped.identity


def test_the_names_of_contenders_are_their_keys(budget: Budget) -> None:
    config = load(EvaluateConfig, None, ["output.path=x"])
    for name in ("ours", "ours-coarse", "random", "truncate", "stopwords", "tfidf"):
        assert load_contender(name, config, budget).name == name


def test_llmlingua_says_what_it_lacks(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    with pytest.raises(UnavailableError, match=r"TIKTOKEN_CACHE_DIR|pip install"):
        LLMLingua2("llmlingua2", "default", budget)


@pytest.mark.slow
def test_llmlingua_is_brought_to_the_budget(budget: Budget) -> None:
    pytest.importorskip("llmlingua", reason="the extra `slow` is not installed")
    if not os.environ.get("TIKTOKEN_CACHE_DIR"):
        pytest.skip("TIKTOKEN_CACHE_DIR is not set, and llmlingua loads tiktoken's table")
    fitted = LLMLingua2("llmlingua2", "default", budget)
    as_is = LLMLingua2("llmlingua2-as-is", "default", None)
    assert fitted.identity != as_is.identity
    targets = budget.targets(TEXTS, 0.5)
    kept, plain = fitted.compress(TEXTS, 0.5), as_is.compress(TEXTS, 0.5)
    assert (budget.count(kept) <= targets).all()
    # The next step of 1 % would keep one more word.
    assert (budget.count(kept) >= targets - 4).all()
    assert budget.count(plain).sum() < budget.count(kept).sum()
    assert fitted.compress(["", " "], 0.5) == ["", ""]
