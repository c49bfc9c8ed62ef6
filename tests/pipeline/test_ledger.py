"""The ledger says what adding up the statistics of single shards says; its tables are whole."""

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray import cloudpickle

from compressor.corpus.lineage import Published, read_shards_of, write_lineage
from compressor.corpus.shards import Piece, Shard, Shards
from compressor.corpus.storage import Storage
from compressor.pipeline import shard_table
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.results import Results, whole
from compressor.pipeline.shard_table import NAME, write_shard_table
from compressor.pipeline.statistics import MEASURED, Statistics, total
from compressor.pipeline.waves import waves

RAN = {"device": "cpu", "dtype": "float32"}
counts = st.integers(0, 1000)
some = st.builds(
    Statistics,
    rows=counts,
    ok=counts,
    empty=counts,
    error=counts,
    notes=counts,
    original_tokens=counts,
    compressed_tokens=counts,
    rates=st.dictionaries(st.integers(0, 1000), st.integers(1, 50), max_size=5),
    model_seconds=counts.map(float),
    seconds=counts.map(float),
    model_tokens=counts,
    reused=counts,
    duplicates=counts,
)
parts_of_a_job = st.lists(st.tuples(some, st.booleans()), max_size=12)


def entry(one: Statistics) -> dict[str, Any]:
    measured = {**one.measured(), "finished": 5.0, "replica": "10.0.0.1 7", **RAN}
    return {"statistics": one.record(), "measured": measured, "bytes": one.rows}


def entered(parts: list[tuple[Statistics, bool]], order: list[int], **keys: Any) -> Ledger:
    ledger = Ledger(len(parts), **keys)
    for at in order:
        one, resumed = parts[at]
        if resumed:
            ledger.resume(at, {"threshold": 0.5, "statistics": one.record()})
        else:
            ledger.add(at, entry(one))
    return ledger


def as_it_counts(one: Statistics, resumed: bool) -> Statistics:
    return Statistics.from_record(one.record(), None if resumed else one.measured())


@given(parts_of_a_job, st.randoms())
def test_a_ledger_is_the_sum_in_any_order(parts: list[tuple[Statistics, bool]], dice: Any) -> None:
    order = list(range(len(parts)))
    dice.shuffle(order)
    ledger = entered(parts, order, keep_records=True)
    assert ledger.total() == total(as_it_counts(one, resumed) for one, resumed in parts)
    assert ledger.known.all()
    assert np.isnan(ledger.finished).tolist() == [resumed for _, resumed in parts]
    records = [json.loads(text) for text in ledger.records().to_pylist()]
    assert records == [one.record() for one, _ in parts]


def test_a_ledger_travels() -> None:
    """Behind `ray://` it is filled in a task on the cluster and comes back."""
    ledger = entered([(Statistics(rows=3, rates={500: 3}), False)], [0], keep_records=True)
    back = through_the_store(ledger)
    assert back.total() == ledger.total()
    assert back.records().equals(ledger.records())
    assert (back.ran_on, back.bytes.tolist()) == ({"cpu float32"}, [3])


def test_a_ledger_that_has_travelled_can_be_filled() -> None:
    one = Statistics(rows=3, rates={500: 3})
    expected = entered([(one, False)] * 2, [0, 1], keep_records=True)
    ledger = Ledger(2, keep_records=True)
    for at in range(2):
        ledger = through_the_store(ledger)
        ledger.add(at, entry(one))
    assert ledger.total() == expected.total()
    assert ledger.findings.record() == expected.findings.record()


def through_the_store(ledger: Ledger) -> Ledger:
    """As Ray's object store gives it: arrays in shared memory, read-only."""
    buffers: list[pickle.PickleBuffer] = []
    head = cloudpickle.dumps(ledger, protocol=5, buffer_callback=buffers.append)
    assert buffers
    found: Ledger = cloudpickle.loads(head, buffers=[bytes(part.raw()) for part in buffers])
    return found


def test_what_is_measured_stays_a_whole_number() -> None:
    done = entered([(Statistics(model_tokens=3, seconds=1.5), False)], [0]).total()
    assert [type(getattr(done, name)) for name in MEASURED] == [float, float, int, int, int]


def shards_of(count: int) -> Shards:
    """Of several pieces, of one, of a part of a row group, and of none."""
    kinds = [
        (Piece("a", "1", 0, 3, 7), Piece("b", "2", 0, 0, 3)),
        (Piece("b", "2", 1, 1, 9),),
        (Piece("b", "2", 2, 2, 5, 0),),
        (Piece("b", "2", 2, 2, 5, 5),),
        (),
    ]
    return Shards.of(Shard(at, kinds[at % len(kinds)], f"{at:016x}") for at in range(count))


def row(shard: Shard, one: Statistics, resumed: bool) -> dict[str, Any]:
    """The row of the table for a shard, object by object."""
    return {
        "shard": shard.index,
        "file": shard.name,
        "fingerprint": shard.fingerprint,
        "rows": one.rows,
        "ok": one.ok,
        "empty": one.empty,
        "error": one.error,
        "original_tokens": one.original_tokens,
        "compressed_tokens": one.compressed_tokens,
        "rate": one.rate,
        "model_seconds": None if resumed else one.model_seconds,
        "seconds": None if resumed else one.seconds,
        "finished": None if resumed else datetime.fromtimestamp(5, UTC),
        "replica": None if resumed else "10.0.0.1 7",
        "resumed": resumed,
        "source": [
            {
                "path": piece.path,
                "version": piece.version,
                "first_row_group": piece.first,
                "last_row_group": piece.last,
                "start_row": piece.start,
                "rows": piece.rows,
            }
            for piece in shard.pieces
        ],
    }


@pytest.mark.parametrize("count", [0, 1, 5, 23])
def test_the_table_of_shards_group_by_group(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_table, "GROUP", 4)
    made = [
        (Statistics(rows=at, ok=at, original_tokens=at % 3 * at, compressed_tokens=at), at % 2 == 0)
        for at in range(count)
    ]
    ledger, shards = entered(made, list(range(count))), shards_of(count)
    parts = [
        Results(shards[:2], entered(made[:2], list(range(min(2, count))))),
        Results(shards, ledger),
    ]
    write_shard_table(Storage(str(tmp_path)), parts)
    rows = [row(shard, *one) for shard, one in zip(shards, made, strict=True)]
    assert pq.read_table(tmp_path / NAME).to_pylist() == rows[:2] + rows
    assert whole(parts).rows == sum(one.rows for one, _ in made[:2] + made)


def test_a_lineage_comes_back(tmp_path: Path) -> None:
    made = [(Statistics(rows=at, rates={at: 1}), at % 2 == 0) for at in range(23)]
    ledger = entered(made, list(range(22, -1, -1)), keep_records=True)
    published = Published(shards_of(23), np.arange(23), ledger.records())
    target = Storage(str(tmp_path))
    name = write_lineage(target, [], [published.take(np.arange(0)), published])
    back = read_shards_of(target, name)
    assert list(back.shards) == list(published.shards)
    assert back.bytes.tolist() == list(range(23))
    assert back.statistics.to_pylist() == published.statistics.to_pylist()
    odd = back.take(np.arange(1, 23, 2))
    assert [json.loads(text)["rows"] for text in odd.statistics.to_pylist()] == list(
        range(1, 23, 2)
    )
    assert isinstance(odd.statistics, pa.ChunkedArray)


@given(st.integers(0, 60), st.integers(1, 25))
def test_waves_are_all_shards_in_order_and_keep_what_is_read_together(
    count: int, most: int
) -> None:
    shards = shards_of(count)
    parts = list(waves(shards, most))
    assert [shard for part in parts for shard in part] == list(shards)
    for part in parts:
        assert 0 < len(part) <= most + 2  # a row group of two parts may hang over
        assert part[0].index % 5 != 3  # the second part of a row group begins no wave
