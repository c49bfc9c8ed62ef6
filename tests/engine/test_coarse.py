"""Whole sentences first: against plain loops, and with every invariant of the contract."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor import Compressor
from compressor.engine import compressor as facade
from compressor.engine.coarse import Sentences, sentence_threshold
from compressor.engine.document import build_batch
from compressor.engine.passages import all_joined, joined, starts_of
from compressor.engine.sentences import sentence_starts
from tests.engine.conftest import CORPUS
from tests.engine.test_invariants import RATES, check, counted
from tests.engine.texts import texts

many = settings(
    max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
few = settings(many, max_examples=6)
SOME = st.lists(texts, min_size=20, max_size=30)
MIXED = st.lists(texts | st.lists(texts, max_size=5), min_size=15, max_size=25)
COARSE: dict[str, Any] = {"coarse": "sentence"}
PROSE = " ".join(CORPUS[:4] + CORPUS[7:8] + CORPUS[1:4])


@st.composite
def scored(draw: st.DrawFn) -> tuple[Sentences, int]:
    """Sentences of some texts, each of one unit; and how many texts there are."""
    s = draw(st.integers(0, 40))
    row = np.sort(np.array(draw(st.lists(st.integers(0, 4), min_size=s, max_size=s)), np.int64))
    cost = np.array(draw(st.lists(st.integers(0, 9), min_size=s, max_size=s)), np.int64)
    means = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
    mean = np.array(draw(st.lists(means, min_size=s, max_size=s)), np.float64)
    return Sentences(np.arange(s), row, cost, mean), 5


@settings(many, max_examples=100)
@given(scored(), st.lists(st.floats(1, 60), min_size=5, max_size=5))
def test_sentences_go_as_in_a_loop(drawn: tuple[Sentences, int], wanted: list[float]) -> None:
    sentences, n = drawn
    goes = sentences.behind(np.array(wanted))
    for row in range(n):
        mine = np.flatnonzero(sentences.row == row).tolist()
        held = 0
        for at in sorted(mine, key=lambda at: (-sentences.mean[at], at)):
            assert goes[at] == (held >= wanted[row])
            held += int(sentences.cost[at])


@settings(many, max_examples=100)
@given(scored(), st.floats(1, 200))
def test_a_threshold_leaves_what_is_wanted(drawn: tuple[Sentences, int], wanted: float) -> None:
    sentences, _ = drawn
    threshold = sentence_threshold([sentences, sentences], wanted)
    stay = ~sentences.below(threshold)
    total = 2 * int(sentences.cost.sum())
    assert 2 * int(sentences.cost[stay].sum()) >= min(total, wanted)
    better = sentences.mean > threshold
    assert 2 * int(sentences.cost[better].sum()) < wanted


@few
@given(MIXED)
def test_the_mean_is_that_of_a_sentences_words(bert: Compressor, batch: list[Any]) -> None:
    flat = build_batch(all_joined(batch), bert._tokenizer)
    probability = np.random.default_rng(0).random(len(flat.row)).astype(np.float32)
    sentences = Sentences.of(flat, probability, starts_of(batch))
    number = np.cumsum(sentence_starts(flat, starts_of(batch))) - 1
    values: dict[int, list[float]] = {}
    costs: dict[int, int] = {}
    for unit, owner in enumerate(flat.units.owner.tolist()):
        at = int(number[owner])
        costs[at] = costs.get(at, 0) + int(flat.cost[unit])
        assert sentences.unit[unit] == at
        assert sentences.row[at] == flat.row[unit]
        if owner == unit:
            values.setdefault(at, []).append(float(probability[unit]))
    for at, mean in enumerate(sentences.mean.tolist()):
        assert mean == pytest.approx(np.mean(values[at]) if at in values else 0.0)
        assert sentences.cost[at] == costs.get(at, 0)


@few
@given(MIXED, RATES, st.sampled_from([None, 0.01, 0.6]))
def test_the_invariants_hold(
    engine: Compressor, batch: list[Any], rate: float, share: float | None
) -> None:
    results = engine.compress(batch, rate, **COARSE, coarse_share=share)
    plain = [joined(text) for text in batch]
    tokens = counted(engine, plain)
    again = counted(engine, [result.text for result in results])
    for row in zip(plain, results, [rate] * len(batch), tokens, again, strict=True):
        check(*row)


@few
@given(MIXED, st.integers(1, 40))
def test_target_tokens(bert: Compressor, batch: list[Any], target: int) -> None:
    for result in bert.compress(batch, target_tokens=target, **COARSE):
        assert result.compressed_tokens <= target


@few
@given(SOME, st.floats(0.05, 0.95))
def test_what_is_forced_stays(engine: Compressor, batch: list[str], rate: float) -> None:
    forced: dict[str, Any] = {
        "force_tokens": ["?", "\n", "the"], "protect": [r"\d+,\d+"], "force_reserve_digit": True,
    }  # fmt: skip
    results = engine.compress(batch, rate, **forced, **COARSE)
    for text, result in zip(batch, results, strict=True):
        for mark in ("?", "\n"):
            assert result.text.count(mark) >= text.count(mark)
        kept = "".join(text[a:b] for a, b in result.kept)
        assert [char for char in kept if char.isdigit()] == [c for c in text if c.isdigit()]
        target = max(1, round(rate * result.original_tokens))
        assert result.compressed_tokens <= target or result.note


@few
@given(MIXED, RATES)
def test_a_result_does_not_depend_on_neighbours_or_chunks(
    bert: Compressor, batch: list[Any], rate: float
) -> None:
    together = bert.compress(batch, rate, **COARSE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facade, "_CHUNK_CHARACTERS", 200)
        columns = bert.compress_columns(batch, rate, **COARSE)
    assert list(columns.texts) == [result.text for result in together]
    for text, result in zip(batch, together, strict=True):
        assert bert.compress([text], rate, **COARSE)[0].text == result.text


@few
@given(SOME, RATES)
def test_one_sentence_or_a_share_of_all_is_no_stage(
    bert: Compressor, batch: list[str], rate: float
) -> None:
    words = [result.text for result in bert.compress(batch, rate)]
    all_of_it = bert.compress(batch, rate, **COARSE, coarse_share=1.0)
    assert [result.text for result in all_of_it] == words
    single = bert.compress([[text] for text in batch], rate, **COARSE)
    assert [result.text for result in single] == words
    lists = bert.compress([[text] for text in batch], rate)
    assert [result.text for result in lists] == words


def passages(bert: Compressor, seed: int) -> list[str]:
    """Passages of words of one token each, so that any budget can be met by any of them."""
    words = ["the", "fox", "dog", "it", "in", "for", "of", "as", "on", "to", "he", "a", "is", "or"]
    pool = [word for word, tokens in zip(words, counted(bert, words), strict=True) if tokens == 1]
    assert len(pool) >= 4
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(pool, rng.integers(3, 20))) for _ in range(rng.integers(2, 9))]


@pytest.mark.parametrize("rate", [0.1, 0.33, 0.5, 0.8])
def test_words_are_taken_of_the_passages_that_stay(bert: Compressor, rate: float) -> None:
    batch = [passages(bert, seed) for seed in range(30)]
    gone = 0
    for text, result in zip(batch, bert.compress(batch, rate, **COARSE), strict=True):
        ends = np.cumsum([len(passage) + 1 for passage in text])
        where = np.searchsorted(ends, [a for a, _ in result.words], "right")
        sizes = np.bincount(where, minlength=len(text))
        means = np.bincount(where, result.probabilities, len(text)) / sizes
        stay, held = set(), 0
        for at in sorted(range(len(text)), key=lambda at: (-means[at], at)):
            if held < (rate + 1) / 2 * result.original_tokens:
                stay.add(at)
            held += int(sizes[at])
        kept = set(np.searchsorted(ends, [a for a, _ in result.kept], "right").tolist())
        assert kept <= stay
        assert result.compressed_tokens == max(1, round(rate * result.original_tokens))
        gone += len(text) - len(stay)
    assert gone


def test_a_share_below_the_rate_still_fills_the_budget(bert: Compressor) -> None:
    (result,) = bert.compress([PROSE], 0.7, **COARSE, coarse_share=0.1)
    target = round(0.7 * result.original_tokens)
    assert target - max(2, target // 50) <= result.compressed_tokens <= target


def test_a_sentence_that_goes_leaves_what_is_protected(bert: Compressor) -> None:
    sentences = [f"The {word} fox jumps over the lazy dog." for word in ("quick", "brown", "red")]
    text = " ".join(sentences)
    for word in ("quick", "brown", "red"):
        (result,) = bert.compress([text], 0.3, protect=[f"{word} fox"], **COARSE)
        assert f"{word} fox" in result.text
        assert result.note is None


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.9])
def test_two_thresholds_cut_a_corpus_to_its_rate(engine: Compressor, rate: float) -> None:
    pool: list[Any] = [f"{a} {b} {n}" for n, a in enumerate(CORPUS[:9]) for b in CORPUS[:4]]
    pool += [[a, b, str(n)] for n, a in enumerate(CORPUS[:9]) for b in CORPUS[4:8]]
    calibration = engine.calibrate(pool, rate, **COARSE)
    assert abs(calibration.rate - rate) < 0.05
    assert isinstance(calibration.threshold, tuple)
    results = engine.compress(pool, rate, threshold=list(calibration.threshold), **COARSE)
    kept = sum(result.compressed_tokens for result in results)
    total = sum(result.original_tokens for result in results)
    assert kept / total == pytest.approx(calibration.rate)
    shares = [result.compressed_tokens / result.original_tokens for result in results]
    assert np.std(shares) > 0.01, "texts differ in what they give"
    words = engine.calibrate(pool, rate)
    assert [r.text for r in engine.compress(pool, threshold=words.threshold)] != [
        result.text for result in results
    ]


@pytest.mark.parametrize("nothing", [[], [""], [[]], [" \n"]])
def test_nothing_calibrates(bert: Compressor, nothing: Any) -> None:
    found: Any = bert.calibrate(nothing, 0.5, **COARSE).threshold
    results = bert.compress(nothing, threshold=found, **COARSE)
    assert [result.text for result in results] == ["" for _ in nothing]


@pytest.mark.parametrize(
    "options",
    [
        {"coarse": "paragraph"}, {"coarse_share": 0.5}, {"coarse": "sentence", "coarse_share": 0},
        {"coarse": "sentence", "coarse_share": 1.5},
        {"coarse": "sentence", "coarse_share": float("nan")},
        {"coarse": "sentence", "threshold": 0.5}, {"threshold": (0.5, 0.5)},
        {"coarse": "sentence", "threshold": (0.5, float("inf"))},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(bert: Compressor, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"coarse|threshold"):
        bert.compress(["a text", "another"], **options)


@pytest.mark.parametrize("given", [[["a", None]], [("a", b"b")], [{"a": "b"}], [b"bytes"]])
def test_what_is_no_list_of_passages_is_refused(bert: Compressor, given: Any) -> None:
    with pytest.raises(ValueError, match=r"texts\[0\]"):
        bert.compress(given, **COARSE)
