"""Texts that were read once give at each rate what they give when they are read for it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor import Compressor
from compressor.engine import compressor as facade
from compressor.engine.scorer import Scorer
from tests.engine.texts import texts

BATCH = st.lists(texts, max_size=12)
many = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def plain(results: Any) -> list[Any]:
    return [
        (r.text, r.original_tokens, r.compressed_tokens, r.note, r.kept, r.probabilities.tolist())
        for r in results
    ]


@many
@given(BATCH, st.lists(st.floats(0.05, 1.0), min_size=1, max_size=3), st.booleans())
def test_at_each_rate_what_compress_gives(
    bert: Compressor, batch: list[str], rates: list[float], coarse: bool
) -> None:
    options: dict[str, Any] = {
        "force_tokens": ["?", "the"],
        "force_reserve_digit": True,
        "coarse": "sentence" if coarse else "none",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facade, "_CHUNK_CHARACTERS", 200)
        scored = bert.score(batch, **options)
    assert len(scored) == len(batch)
    for rate in rates:
        assert plain(scored.compress(rate)) == plain(bert.compress(batch, rate, **options))


@many
@given(BATCH, st.floats(0.1, 1.0), st.booleans())
def test_thresholds_are_those_of_calibrate(
    bert: Compressor, batch: list[str], rate: float, coarse: bool
) -> None:
    stage = "sentence" if coarse else "none"
    scored = bert.score(batch, coarse=stage)
    found = bert.calibrate(batch, rate, coarse=stage)
    assert scored.calibrate(rate) == found
    at_threshold = scored.compress(rate, threshold=found.threshold)
    expected = bert.compress(batch, rate, threshold=found.threshold, coarse=stage)
    assert plain(at_threshold) == plain(expected)


def test_lists_of_passages(bert: Compressor) -> None:
    batch = [["The fox sleeps.", "A dog runs."], "One text. And more of it.", []]
    scored = bert.score(batch, coarse="sentence")
    assert plain(scored.compress(0.4)) == plain(bert.compress(batch, 0.4, coarse="sentence"))


def test_the_model_reads_once(bert: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, score = [], Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda *args: calls.append(1) or score(*args))
    scored = bert.score(["a fox and a dog sleep"] * 3)
    for rate in (0.2, 0.4, 0.6):
        scored.compress(rate)
    scored.calibrate(0.5)
    assert len(calls) == 1


def test_a_rate_out_of_range_is_refused(bert: Compressor) -> None:
    scored = bert.score(["a fox"])
    with pytest.raises(ValueError, match="rate"):
        scored.compress(0)
    with pytest.raises(ValueError, match="rate"):
        scored.calibrate(1.5)
