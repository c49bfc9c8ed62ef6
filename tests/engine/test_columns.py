"""Columns, chunks and the faster arithmetic give what the plain ways give."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor import Compressor
from compressor.engine import compressor as facade
from compressor.engine import words
from compressor.engine.budget import rank
from tests.engine.texts import texts

many = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
BATCH = st.lists(texts, min_size=20, max_size=30)


@many
@given(BATCH, st.floats(0.05, 1.0))
def test_columns_hold_what_single_results_hold(
    bert: Compressor, batch: list[str], rate: float
) -> None:
    options: Any = {"force_tokens": ["the", "?"], "force_reserve_digit": True}
    columns = bert.compress_columns(batch, rate, **options)
    results = bert.compress(batch, rate, **options)
    assert list(columns.texts) == [result.text for result in results]
    assert columns.original_tokens.tolist() == [result.original_tokens for result in results]
    assert columns.compressed_tokens.tolist() == [result.compressed_tokens for result in results]
    assert columns.notes == {row: r.note for row, r in enumerate(results) if r.note is not None}


@settings(many, max_examples=15)
@given(BATCH, st.floats(0.05, 1.0))
def test_chunks_give_what_one_chunk_gives(bert: Compressor, batch: list[str], rate: float) -> None:
    rates = [rate, 0.5] * (len(batch) // 2) + [0.7] * (len(batch) % 2)
    whole = bert.compress_columns(batch, rates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facade, "_CHUNK_CHARACTERS", 300)
        chunks = bert.compress_columns(batch, rates)
        results = bert.compress(batch, rates)
    assert list(chunks.texts) == list(whole.texts) == [result.text for result in results]
    assert chunks.compressed_tokens.tolist() == whole.compressed_tokens.tolist()


def test_an_error_in_a_later_chunk_is_raised(bert: Compressor) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facade, "_CHUNK_CHARACTERS", 20)
        patch.setattr("compressor.engine.protect.PATTERN_SECONDS", 0.05)
        batch = ["a fox and a dog sleep"] * 5 + ["a" * 40 + "!"]
        with pytest.raises(TimeoutError):
            bert.compress(batch, 0.5, protect=[r"(a|aa)+$"])


def test_nothing_gives_nothing(bert: Compressor) -> None:
    columns = bert.compress_columns([])
    assert (len(columns), list(columns.texts), len(columns.original_tokens)) == (0, [], 0)


@many
@given(st.data())
def test_one_sort_ranks_as_four_do(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 60))
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    numbers = st.sampled_from([0.0, -0.0, 0.25, 1.0, -3.0, float("nan")]) | st.floats(width=32)
    row = np.sort(np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), int))
    priority = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)), np.float32)
    forced, marks, behind = (np.array(data.draw(flags), bool) for _ in range(3))
    units = SimpleNamespace(punctuation=marks, owner=np.arange(n))
    batch: Any = SimpleNamespace(units=units, row=row, forced=forced, cost=np.ones(n, int))
    expected = np.lexsort((marks, -priority, ~forced, row))
    assert rank(batch, priority).unit.tolist() == expected.tolist()
    expected = np.lexsort((marks, -priority, behind, ~forced, row))
    assert rank(batch, priority, behind).unit.tolist() == expected.tolist()


_WHOLE = [
    "see https://ex.com/a(b).", "(www.ex.com/x)", "a@b.co", "x@y@z.w", "a::b->c", "::", "->x", "@",
    "1@2.3/www.a", "ftp://", "é@ü.de", "std::vec<a>::b", "http://a.b/c::d@e.f", "\u2028a@b.c",
]  # fmt: skip


@many
@given(st.lists(st.sampled_from(_WHOLE) | texts, max_size=12), st.sampled_from(["", " ", "\n"]))
def test_spans_near_marks_are_the_spans_of_the_whole_text(parts: list[str], between: str) -> None:
    text = between.join(parts)
    found = [[*words._matches(p, text, *marks)] for p, marks in _PATTERNS]
    for (pattern, _), matches in zip(_PATTERNS, found, strict=True):
        assert {m.span() for m in matches} == {m.span() for m in pattern.finditer(text)}


_PATTERNS: list[tuple[re.Pattern[str], tuple[str, ...]]] = [
    (words._EMAIL, ("@",)),
    (words._QUALIFIED, ("::", "->")),
    (words._URL, ("://", "www.")),
]
