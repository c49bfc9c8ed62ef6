"""The parts of a report that need no job: throughput, charts, wording."""

import re
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.report.charts import bars, lines, steps
from compressor.report.throughput import PARTS, throughput
from compressor.report.wording import duration, number, setting, settings, share, without_secrets

shard = st.tuples(
    st.integers(0, 10**6), st.integers(1, 4000), st.integers(0, 900), st.sampled_from("ab")
)


def table(shards: list[tuple[int, int, int, str]]) -> pa.Table:
    """Of (tokens, tenths of a second that it took, second of its end, replica)."""
    return pa.table(
        {
            "original_tokens": pa.array([one[0] for one in shards], pa.int64()),
            "seconds": [one[1] / 10 for one in shards],
            "finished": pa.array(
                [datetime.fromtimestamp(10**9 + one[2], UTC) for one in shards],
                pa.timestamp("ms", "UTC"),
            ),
            "replica": [one[3] for one in shards],
        }
    )


@given(st.lists(shard, min_size=1, max_size=30))
def test_throughput_loses_no_token(shards: list[tuple[int, int, int, str]]) -> None:
    found = throughput(table(shards))
    assert found is not None
    tokens = sum(one[0] for one in shards)
    assert (found.rates * np.diff(found.edges)).sum() == pytest.approx(tokens, abs=1e-3)
    assert len(found.rates) <= PARTS
    assert sum(replica.tokens for replica in found.replicas) == tokens
    assert [r.rate for r in found.replicas] == sorted(
        (r.rate for r in found.replicas), reverse=True
    )


def test_two_replicas() -> None:
    found = throughput(table([(100, 100, 10, "a"), (300, 200, 20, "b"), (100, 100, 20, "a")]))
    assert found is not None
    by_name = {replica.name: replica for replica in found.replicas}
    assert by_name["a"].shards == 2
    assert (by_name["a"].seconds, by_name["a"].rate) == (20, 10)
    assert by_name["b"].rate == 15
    assert found.edges[-1] == 20


def test_no_times_no_throughput() -> None:
    assert throughput(pa.table({"rows": [1]})) is None
    assert throughput(table([(1, 1, 1, "a")]).slice(0, 0)) is None


def test_charts_take_the_colours_and_the_font_of_the_page() -> None:
    def draw() -> list[str]:
        return [
            bars([0, 0.5, 1], [3, 5], label="a < b", mark=0.5),
            lines([0.1, 0.9], {"before": [1, 2], "after": [1, 1]}, label="x"),
            steps([0, 1, 2], [3e6, 4e6], label="y"),
        ]

    for svg in draw():
        assert svg.startswith("<svg ")
        assert not re.search(r"#0[0-9]0[0-9]0|xmlns|DejaVu|<metadata|<\?xml|http", svg)
        assert "var(--after)" in svg
        assert "<text" in svg
        assert re.search(r"<svg [^>]*viewBox", svg)
        assert not re.search(r'<svg [^>]*(width|height)="\d', svg)
    assert draw() == draw()
    assert "a &lt; b" in draw()[0]
    ids = re.findall(r'id="([^"]+)"', "".join(draw()))
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (number(84_212_345), "84.2 M"),
        (number(999_999), "999,999"),
        (number(0.5, 2), "0.50"),
        (number(None), "–"),
        (share(0.5), "50.0 %"),
        (share(0.9996), "99.96 %"),
        (share(1.0), "100.0 %"),
        (share(0.00001), "0.001 %"),
        (duration(0.25), "0.2 s"),
        (duration(200), "3 min 20 s"),
        (duration(7500), "2 h 5 min"),
        (setting([None, True, "a"]), "[null, true, a]"),
        (without_secrets("s3://a:b@c/d"), "s3://…@c/d"),
        (without_secrets("s3://c/d@e"), "s3://c/d@e"),
    ],
)
def test_wording(shown: str, wanted: str) -> None:
    assert shown.replace("\N{NO-BREAK SPACE}", " ") == wanted


def test_settings_leave_out_what_may_be_secret() -> None:
    tree = {"a": {"storage_options": {"key": "x"}, "b": {"c": 1, "storage_options": 2}}, "d": None}
    assert list(settings(tree)) == [("a.b.c", 1), ("d", None)]
