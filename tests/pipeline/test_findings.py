"""What the report is made of adds up in any order, and follows from the rows alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.config import CompressionSection
from compressor.corpus.columns import text_columns
from compressor.engine.compressor import Compressor
from compressor.evaluate.facts import count_kept
from compressor.pipeline.findings import MOST_REASONS, SHOWN, Findings, packed, total, unpacked
from compressor.pipeline.histogram import GRID, MOST, add_run, histogram, quantile, run, value_at
from compressor.pipeline.refresh import Refreshed
from compressor.pipeline.reuse import row_keys
from compressor.pipeline.rows import CONFIDENCE, compress_table
from compressor.pipeline.signals import FACT_TOKENS, signals
from tests.conftest import TEXTS
from tests.pipeline.corpora import table, write_files

COLUMNS = text_columns("text")
tokens = st.integers(0, MOST - 1)
counted = st.lists(st.integers(0, 9), max_size=101).map(lambda counts: run(np.array(counts, int)))
key, row = st.integers(0, 200), st.integers(0, 3)


@st.composite
def records(draw: Any) -> dict[str, Any]:
    reasons = draw(st.sets(st.integers(0, 3 * MOST_REASONS), max_size=40))
    return {
        "file": draw(st.sampled_from(["a", "b", "c", "d"])),
        "rows": draw(st.integers(0, 9)),
        "sampled": draw(st.integers(0, 9)),
        "sampled_of": draw(st.integers(0, 9)),
        "tokens": {"original": draw(counted), "compressed": draw(counted)},
        "confidence": draw(counted),
        "facts": {"name": draw(st.lists(st.integers(0, 9), min_size=2, max_size=2))},
        "reasons": [["error", f"no {n}", draw(st.integers(1, 9)), n, 0] for n in sorted(reasons)],
        "random": draw(st.lists(st.tuples(key, row).map(list), max_size=30)),
        "worst": draw(st.lists(st.tuples(key, key, row).map(list), max_size=30)),
    }


@given(st.lists(records(), max_size=8), st.randoms())
def test_findings_add_up_in_any_order_and_grouping(parts: list[Any], dice: Any) -> None:
    whole = total(parts).record()
    shuffled = dice.sample(parts, len(parts))
    cut = dice.randint(0, len(parts))
    halves = Findings()
    for half in (shuffled[:cut], shuffled[cut:]):
        halves.add(json.loads(json.dumps(total(half).record())))
    assert halves.record() == whole
    assert len(whole["random"]) <= SHOWN
    assert whole["random"] == sorted(whole["random"])
    assert len(whole["reasons"]) <= MOST_REASONS
    said = {reason[1]: reason[2] for reason in whole["reasons"]}
    for pattern, rows in said.items():  # what is told apart is counted whole
        assert rows == sum(r[2] for part in parts for r in part["reasons"] if r[1] == pattern)


@given(records())
def test_a_packed_record_comes_back(record: dict[str, Any]) -> None:
    assert unpacked(packed(record)) == record


def test_a_refresh_counts_the_files_that_stay(
    tmp_path: Path, renew: Callable[..., Refreshed]
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    write_files(source, [table(range(20)), table(range(20, 40))])
    renew(source, target, "cluster.rows_per_shard=20")
    pq.write_table(table(range(20, 45)), source / "001.parquet", row_group_size=7)
    done = renew(source, target, "cluster.rows_per_shard=20")
    renew(source, tmp_path / "anew", "cluster.rows_per_shard=20")

    assert done.changes["rows"] == {
        "kept": 20,
        "taken_over": 20,
        "with_the_text_of_another": 0,
        "compressed": 5,
    }
    ours, anew = (
        json.loads((folder / "_stats" / "findings.json").read_text())
        for folder in (target, tmp_path / "anew")
    )
    assert ours["rows"] == 45
    for name in ("tokens", "facts", "rates", "sampled"):
        assert ours[name] == anew[name]
    assert [key for key, *_ in ours["random"]] == [key for key, *_ in anew["random"]]
    assert sum(anew["confidence"][1:]) == 45
    assert sum(ours["confidence"][1:]) == 25  # the others' is not on record


def test_files_without_a_record_count_as_no_rows() -> None:
    assert total([None]).record() == Findings().record()


@given(st.lists(tokens, min_size=1, max_size=50), st.lists(tokens, max_size=50))
def test_a_histogram_adds_up_and_is_off_by_less_than_two_percent(
    some: list[int], more: list[int]
) -> None:
    both = np.zeros(len(GRID), np.int64)
    for part in (some, more):
        add_run(both, json.loads(json.dumps(run(histogram(part)))))
    assert both.tolist() == histogram(some + more).tolist()
    for share in (0.01, 0.5, 0.99):
        found = quantile(both, share)
        wanted = np.quantile(some + more, share, method="inverted_cdf")
        assert found == pytest.approx(wanted, rel=0.017)
        if wanted < 64:
            assert found == wanted


def test_nothing_has_no_quantile() -> None:
    assert run(histogram([])) == []
    assert quantile(histogram([]), 0.5) is None
    assert Findings().confidence_at(0.5) is None
    assert value_at({}, 0.5) is None


@pytest.fixture(scope="module")
def compressor(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), dtype="float32")


def signals_of(
    compressor: Compressor, rows: pa.Table, **settings: Any
) -> tuple[dict[str, Any], pa.Table]:
    """The record of a table as a replica makes it, and the table."""
    made, _ = compress_table(
        rows, compressor, CompressionSection(**settings), COLUMNS, confident=True
    )
    keys = row_keys(rows, ["text"], None)
    confidence = made.column(CONFIDENCE).to_numpy()
    return signals(made.drop_columns(CONFIDENCE), "f", COLUMNS, keys, confidence), made


def test_a_shards_record(compressor: Compressor) -> None:
    texts = [f"{TEXTS[at % 5]} {at} of New York, not {at}.5" for at in range(60)]
    record, made = signals_of(compressor, pa.table({"text": [*texts, None, texts[7]]}))

    assert record == json.loads(json.dumps(record))
    assert (record["rows"], record["sampled"], record["sampled_of"]) == (62, 61, 61)
    sums = count_kept(
        [*texts, texts[7]], made["compressed_text"].take([*range(60), 61]).to_pylist()
    )
    assert record["facts"] == {
        kind: [1000 * int(count) for count in counts.sum(axis=0)]
        for kind, counts in sums.items()
        if counts.sum()
    }
    assert set(record["facts"]) >= {"number", "name", "negation"}
    original = made["original_tokens"].to_pylist()
    first, *counts = record["tokens"]["original"]  # below 64 a bin is a number
    assert sum(counts) == 61
    assert sum(t * n for t, n in enumerate(counts, first)) == sum(original)
    assert len(record["random"]) == SHOWN
    assert 61 not in {row for _, row in record["random"]}  # the text of row 7
    confidence = [c for c in made[CONFIDENCE].to_pylist() if c is not None]
    assert all(0 <= value <= 1 for value in confidence)
    assert [worst for worst, _, _ in record["worst"]] == [
        round(1000 * value) for value in sorted(confidence[:60])[:SHOWN]
    ]
    assert len(json.dumps(record)) < 6000


def test_confidence_is_the_share_of_the_probability_that_was_kept(compressor: Compressor) -> None:
    rate = 0.4
    _, made = signals_of(compressor, pa.table({"text": TEXTS}), rate=rate)
    for text, confidence in zip(TEXTS, made[CONFIDENCE].to_pylist(), strict=True):
        (result,) = compressor.compress([text], rate)
        kept = sum(
            float(p)
            for (a, b), p in zip(result.words, result.probabilities, strict=True)
            if any(start <= a and b <= end for start, end in result.kept)
        )
        assert confidence == pytest.approx(kept / float(result.probabilities.sum()), abs=1e-5)
    _, made = signals_of(compressor, pa.table({"text": [TEXTS[0], "", "?"]}), rate=1.0)
    assert made[CONFIDENCE].to_pylist() == [1.0, 1.0, 1.0]


def test_the_sample_holds_so_many_tokens_and_is_scaled(compressor: Compressor) -> None:
    texts = [" ".join(f"{word} {at}" for word in range(200)) for at in range(60)]
    record, made = signals_of(compressor, pa.table({"text": texts}))
    held = made["original_tokens"][0].as_py() * record["sampled"]
    assert FACT_TOKENS <= held < 1.3 * FACT_TOKENS
    assert record["sampled_of"] == 60
    assert record["facts"]["number"][1] == 60 * 400 * 1000


def test_reasons_without_their_numbers(compressor: Compressor) -> None:
    texts = [f"{n}{n} 13 14 15 16 17" for n in range(9)]
    rated = pa.table({"text": texts, "rate": [7.5, 8.0, *[0.2] * 7]})
    record, _ = signals_of(compressor, rated, rate_column="rate", force_reserve_digit=True)
    assert [(kind, rows) for kind, _, rows, _, _ in record["reasons"]] == [
        ("error", 2),
        ("note", 7),
    ]
    assert record["reasons"][0][1] == "rate is #; a rate is above # and at most #"
    assert record["reasons"][0][4] in {0, 1}


def test_rows_of_unknown_confidence_are_left_out(compressor: Compressor) -> None:
    texts = pa.table({"text": TEXTS})
    made, _ = compress_table(texts, compressor, CompressionSection(), COLUMNS)
    unknown = np.full(5, np.nan, np.float32)
    record = signals(made, "f", COLUMNS, row_keys(texts, ["text"], None), unknown)
    assert (record["worst"], record["confidence"]) == ([], [])
    assert len(record["random"]) == 5
