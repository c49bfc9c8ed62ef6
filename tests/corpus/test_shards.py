"""Shards in columns: what goes in comes out, and parts of them are what the objects would be."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.corpus.shards import Piece, Shard, Shards, read_units, unit_bounds

pieces = st.builds(
    Piece,
    path=st.sampled_from(["bucket/a.parquet", "bucket/b.parquet", "bucket/ü.parquet"]),
    version=st.sampled_from(["v1", "v2"]),
    first=st.integers(0, 3),
    last=st.integers(3, 5),
    rows=st.integers(0, 2**40),
    start=st.none(),
)
parts = st.builds(
    Piece,
    path=st.sampled_from(["bucket/a.parquet", "bucket/b.parquet"]),
    version=st.just("v1"),
    first=st.integers(0, 1),
    last=st.integers(0, 1),
    rows=st.integers(1, 9),
    start=st.integers(0, 2**40),
)
contents = st.one_of(st.lists(pieces, max_size=4), st.tuples(parts)).map(tuple)


@st.composite
def shards(draw: st.DrawFn) -> list[Shard]:
    drawn = draw(st.lists(contents, max_size=12))
    digits = st.text("0123456789abcdef", min_size=16, max_size=16)
    return [Shard(index, own, draw(digits)) for index, own in enumerate(drawn)]


@given(shards())
def test_columns_hold_what_was_put_in(listed: list[Shard]) -> None:
    columns = Shards.of(iter(listed))
    assert list(columns) == listed
    assert list(pickle.loads(pickle.dumps(columns))) == listed
    assert columns.rows.tolist() == [shard.rows for shard in listed]
    assert [columns.find(shard.name) for shard in listed] == list(range(len(listed)))


@given(shards(), st.data())
def test_a_part_is_the_same_part_of_the_list(listed: list[Shard], data: st.DataObject) -> None:
    columns = Shards.of(listed)
    places = data.draw(st.lists(st.sampled_from(range(len(listed))))) if listed else []
    taken = columns.take(np.array(places, np.int64))
    assert list(taken) == [listed[place] for place in places]
    assert list(taken.files) == sorted(set(taken.files), key=list(columns.files).index)
    first, last = data.draw(st.integers(0, 12)), data.draw(st.integers(-3, 12))
    assert list(columns[first:last]) == listed[first:last]
    done = {listed[place].name for place in places}
    assert list(columns.without(done)) == [one for one in listed if one.name not in done]


@given(shards())
def test_units_are_the_same_by_arrays(listed: list[Shard]) -> None:
    bounds = unit_bounds(Shards.of(listed)).tolist()
    assert bounds[0] == 0
    assert bounds[-1] == len(listed)
    units: list[list[Shard]] = []
    for shard in listed:
        if units and share_a_row_group(units[-1][-1], shard):
            units[-1].append(shard)
        else:
            units.append([shard])
    assert np.diff(bounds).tolist() == [len(unit) for unit in units]
    assert [list(unit) for unit in read_units(listed)] == units


def share_a_row_group(left: Shard, right: Shard) -> bool:
    if not (left.pieces and right.pieces):
        return False
    a, b = left.pieces[0], right.pieces[0]
    both_parts = a.is_part_of_a_row_group and b.is_part_of_a_row_group
    return both_parts and (a.path, a.version, a.first) == (b.path, b.version, b.first)


def test_foreign_names_are_not_found() -> None:
    columns = Shards.of([Shard(0, (), "0123456789abcdef"), Shard(1, (), "00000000000000ff")])
    for name in (
        "part-00001-0123456789abcdef.parquet",
        "part-00002-0123456789abcdef.parquet",
        "part-0-0123456789abcdef.parquet",
        "part-00000-0123456789abcdef.parquet.tmp",
        "data.parquet",
        "part-99999999999999999999-0123456789abcdef.parquet",
    ):
        assert columns.find(name) is None
    with pytest.raises(IndexError):
        columns[2]
    assert columns[-1].fingerprint == "00000000000000ff"
