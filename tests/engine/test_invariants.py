"""The invariants of the contract, for every tokenizer family, on generated texts."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor import Compression, Compressor
from compressor.engine.subwords import FastTokenizer, encodable, load_counter
from tests.engine.texts import matches, texts

RATES = st.one_of(
    st.sampled_from([0.01, 0.2, 0.33, 0.5, 0.7, 0.99, 1.0]),
    st.floats(0.01, 1.0, allow_nan=False),
)
many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
BATCH = st.lists(texts, min_size=40, max_size=50)  # 60 x 40 texts: 2,400 at least


def counted(engine: Compressor, texts: list[str]) -> list[int]:
    tokenizer: FastTokenizer = engine._tokenizer
    return [len(e.ids) for e in tokenizer._backend.encode_batch(
        [encodable(t) for t in texts], add_special_tokens=False)]  # fmt: skip


def check(text: str, result: Compression, rate: float, tokens: int, again: int) -> None:
    assert result.original_tokens == tokens
    assert result.compressed_tokens == again
    target = max(1, round(rate * tokens))
    assert again <= target
    ends = [at for span in result.kept for at in span]
    assert ends == sorted(ends)
    assert len(result.words) == len(result.probabilities)
    assert set(result.kept) <= set(result.words)
    assert result.probabilities.dtype == np.float32
    if rate == 1.0 or target >= tokens:
        assert result.text == text
    else:
        assert matches(text, result), (text, result.text, result.kept)


@many
@given(BATCH, RATES)
def test_verbatim_budget_and_one_result_a_text(
    engine: Compressor, batch: list[str], rate: float
) -> None:
    results = engine.compress(batch, rate)
    assert len(results) == len(batch)
    tokens = counted(engine, batch)
    again = counted(engine, [result.text for result in results])
    for row in zip(batch, results, [rate] * len(batch), tokens, again, strict=True):
        check(*row)


@settings(many, max_examples=15)
@given(BATCH, RATES)
def test_budget_in_tokens_of_another_tokenizer(
    engine: Compressor, target_tokenizer: str, batch: list[str], rate: float
) -> None:
    results = engine.compress(batch, rate, tokenizer=target_tokenizer)
    counter = load_counter(target_tokenizer)
    tokens = counter.count(batch).tolist()
    again = counter.count([result.text for result in results]).tolist()
    for row in zip(batch, results, [rate] * len(batch), tokens, again, strict=True):
        check(*row)


@settings(many, max_examples=10)
@given(BATCH)
def test_rate_one_gives_the_input_back(engine: Compressor, batch: list[str]) -> None:
    results = engine.compress(batch, 1.0)
    assert [result.text for result in results] == batch


@settings(many, max_examples=10)
@given(BATCH, RATES)
def test_a_result_does_not_depend_on_neighbours(
    engine: Compressor, batch: list[str], rate: float
) -> None:
    together = engine.compress(batch, rate)
    for text, result in zip(batch, together, strict=True):
        alone = engine.compress([text], rate)[0]
        assert alone.text == result.text
        assert np.array_equal(alone.probabilities, result.probabilities)


@settings(many, max_examples=10)
@given(BATCH, st.integers(1, 60))
def test_target_tokens(engine: Compressor, batch: list[str], target: int) -> None:
    for result in engine.compress(batch, target_tokens=target):
        assert result.compressed_tokens <= target


@settings(many, max_examples=10)
@given(BATCH, RATES)
def test_punctuation_does_not_outlive_its_word(
    engine: Compressor, batch: list[str], rate: float
) -> None:
    for text, result in zip(batch, engine.compress(batch, rate), strict=True):
        kept = [text[a:b] for a, b in result.kept]
        has_word = any(any(c.isalnum() for c in text[a:b]) for a, b in result.words)
        if kept and has_word:
            assert any(any(not _is_mark(c) for c in word) for word in kept), (text, kept)


def _is_mark(char: str) -> bool:
    import unicodedata

    return unicodedata.category(char)[0] == "P"


@pytest.mark.parametrize("rate", [0.2, 0.33, 0.5, 0.7])
def test_prose_fills_its_budget(bert: Compressor, rate: float) -> None:
    rng = np.random.default_rng(3)
    pool = ["the", "fox", "jumps", "over", "lazy", "dogs", "and", "150,782", "people", "Berlin"]
    batch = [" ".join(rng.choice(pool, 120)) + "." for _ in range(50)]
    for result in bert.compress(batch, rate):
        target = max(1, round(rate * result.original_tokens))
        assert target - max(2, target // 50) <= result.compressed_tokens <= target


@pytest.mark.slow
def test_a_million_words_in_every_family(engine: Compressor) -> None:
    check_a_million_words(engine)


def test_a_million_words(bert: Compressor) -> None:
    check_a_million_words(bert)


def check_a_million_words(engine: Compressor) -> None:
    rng = np.random.default_rng(0)
    pool = np.array(["the", "quick", "fox,", "3.14", "jumps.", "dog\n", "150,782", "苹果", "don't"])
    text = " ".join(rng.choice(pool, 1_000_000))
    result = engine.compress([text], 0.3)[0]
    tokens, again = counted(engine, [text, result.text])
    target = round(0.3 * tokens)
    assert (result.original_tokens, result.compressed_tokens) == (tokens, again)
    assert target - max(2, target // 50) <= again <= target
    spans = np.array(result.kept)
    assert (spans[1:, 0] >= spans[:-1, 1]).all()
    solid = "".join(result.text.split())
    assert solid == "".join("".join(text[a:b] for a, b in result.kept).split())
