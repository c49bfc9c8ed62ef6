"""force_tokens, force_reserve_digit, drop_consecutive, protect, tokenizer, rates, thresholds."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor import Compressor
from tests.engine.conftest import CORPUS
from tests.engine.texts import texts

TEXT = (
    "Who won the prize?\nWilhelm Conrad Röntgen won it in 1901, the 3rd of May; he did not know "
    "why?\n\n\nNo one in New York (New\nYork) knew 150,782 of them # not even 我不知道苹果."
)


def kept_words(engine: Compressor, text: str, **options: object) -> list[str]:
    result = engine.compress([text], **options)[0]  # type: ignore[arg-type]
    return [text[a:b] for a, b in result.kept]


@pytest.mark.parametrize("token", ["?", "\n", ",", "#", "not", "New York", "won", "不", "150,782"])
def test_force_tokens_are_always_kept(engine: Compressor, token: str) -> None:
    result = engine.compress([TEXT], 0.3, force_tokens=[token])[0]
    pattern = re.escape(token).replace(r"\ ", r"\s")
    assert len(re.findall(pattern, result.text)) == len(re.findall(pattern, TEXT)), result.text
    if result.note is None:
        assert result.compressed_tokens <= round(0.3 * result.original_tokens)


def test_a_forced_word_is_not_found_inside_another(bert: Compressor) -> None:
    text = "I know now, no snow: no."
    result = bert.compress([text], target_tokens=1, force_tokens=["no"])[0]
    assert [text[a:b] for a, b in result.kept] == ["no", "no"]
    assert result.text == "no no"


def test_forced_digits(engine: Compressor) -> None:
    kept = kept_words(engine, TEXT, rate=0.02, force_reserve_digit=True)
    assert {"1901", "3rd", "150,782"} <= set(kept)


def test_forced_words_over_the_budget_are_noted(bert: Compressor) -> None:
    result = bert.compress(["the fox the fox the fox the dog"], 0.2, force_tokens=["the"])[0]
    assert result.text == "the the the the"
    assert result.note is not None
    assert "force tokens alone exceed the budget" in result.note


def test_drop_consecutive(bert: Compressor) -> None:
    text = "one???\n\n\ntwo ? ? three\n\nfour"
    options = {"force_tokens": ["?", "\n"], "rate": 0.9}
    many = bert.compress([text], **options)[0]  # type: ignore[arg-type]
    assert many.text.count("?") == 5
    assert many.text.count("\n") == 5
    once = bert.compress([text], **options, drop_consecutive=True)[0]  # type: ignore[arg-type]
    assert "??" not in once.text.replace(" ", "")
    assert "\n\n" not in once.text
    again = once.text
    assert again.count("\n") == 2


def test_forced_line_breaks_keep_lines_apart(bert: Compressor) -> None:
    text = "one fox\n\ntwo dogs\nthree"
    result = bert.compress([text], 0.5, force_tokens=["\n"])[0]
    assert result.text.count("\n") == 3


@pytest.mark.parametrize(
    "pattern", [r"\(New\s+York\)", r"Röntgen\s+won\s+it", r"\d+,\d+", r"\n\n\n"]
)
def test_protect_keeps_matches_verbatim(engine: Compressor, pattern: str) -> None:
    result = engine.compress([TEXT], 0.3, protect=[pattern])[0]
    for match in re.findall(pattern, TEXT):
        assert match in result.text


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(texts, min_size=10, max_size=20), st.floats(0.05, 0.95))
def test_forced_marks_survive_in_any_text(
    engine: Compressor, batch: list[str], rate: float
) -> None:
    results = engine.compress(batch, rate, force_tokens=["?", "\n", ".", "the"])
    for text, result in zip(batch, results, strict=True):
        for mark in ("?", "\n", "."):
            assert result.text.count(mark) >= text.count(mark)
        target = max(1, round(rate * result.original_tokens))
        assert result.compressed_tokens <= target or result.note


def test_rates_may_differ_by_text(bert: Compressor) -> None:
    rates = [0.2, 0.5, 1.0]
    results = bert.compress([CORPUS[0]] * 3, rates)
    for rate, result in zip(rates, results, strict=True):
        assert result.compressed_tokens <= round(rate * result.original_tokens)
    assert results[2].text == CORPUS[0]


def test_calibration_meets_the_rate_over_all_texts(engine: Compressor) -> None:
    pool = [f"{text} {n}" for n in range(8) for text in CORPUS[:9]]
    calibration = engine.calibrate(pool, 0.5)
    assert abs(calibration.rate - 0.5) < 0.05
    results = engine.compress(pool, threshold=calibration.threshold)
    kept = sum(result.compressed_tokens for result in results)
    total = sum(result.original_tokens for result in results)
    assert kept / total == pytest.approx(calibration.rate)
    shares = [result.compressed_tokens / result.original_tokens for result in results]
    assert np.std(shares) > 0.01, "texts differ in what they give"


def test_tiktoken_counts_and_prices(bert: Compressor) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    from compressor.engine.subwords import TiktokenTokenizer

    ranks = {bytes([byte]): byte for byte in range(256)}
    for pair in (b"th", b"the", b" t", b"in", b"er", "é".encode()):
        ranks[pair] = len(ranks)
    encoding = tiktoken.Encoding(
        "tiny", pat_str=r"\p{L}+|\p{N}{1,3}|\s+|[^\s\p{L}\p{N}]+", mergeable_ranks=ranks,
        special_tokens={"<|end|>": 300},
    )  # fmt: skip
    counter = TiktokenTokenizer(encoding)
    batch = ["the fox in the inn <|end|>", "été 😂 我", "", "\ud800 x"]
    flat = counter.encode(batch)
    assert flat.counts.tolist() == counter.count(batch).tolist()
    first = slice(int(flat.splits[1]), int(flat.splits[2]))
    assert flat.start[first].min() == 0
    assert flat.end[first].max() == len(batch[1])
    bert._counters["tiktoken:tiny"] = counter
    for text, result in zip(
        CORPUS, bert.compress(CORPUS, 0.4, tokenizer="tiktoken:tiny"), strict=True
    ):
        assert result.original_tokens == len(encoding.encode_ordinary(text))
        assert result.compressed_tokens == len(encoding.encode_ordinary(result.text))
        target = round(0.4 * result.original_tokens)
        assert target - max(2, target // 50) <= result.compressed_tokens <= target


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0.0}, {"rate": -1}, {"rate": 1.5}, {"rate": float("nan")}, {"rate": [0.5]},
        {"target_tokens": 0}, {"target_tokens": 1.5}, {"force_tokens": [""]},
        {"force_tokens": "?"}, {"protect": ["("]}, {"tokenizer": "/no/such/folder"},
        {"tokenizer": "tiktoken:nothing"}, {"threshold": float("nan")},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(bert: Compressor, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        bert.compress(["a text", "another"], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", ["one text", [None], [b"bytes"]])
def test_what_is_no_list_of_texts_is_refused(bert: Compressor, texts: object) -> None:
    with pytest.raises(ValueError, match="texts"):
        bert.compress(texts)  # type: ignore[arg-type]
