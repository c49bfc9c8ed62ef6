"""Keys, twins and memory: the same text is compressed once, and each row gets its own result."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.pipeline.reuse import Ints, Memory, fill, row_keys
from compressor.pipeline.takeover import Index

numbers = st.lists(st.integers(0, 6), max_size=30)


def keys_of(texts: list[Any], kind: pa.DataType | None = None) -> Any:
    return row_keys(pa.table({"text": pa.array(texts, kind or pa.string())}), ["text"], None)


@settings(deadline=None)
@given(numbers, numbers)
def test_every_row_gets_its_result_and_each_text_is_done_once(
    earlier: list[int], now: list[int]
) -> None:
    memory, done = Memory(), []

    def run(values: list[int]) -> pa.Table:
        keys = keys_of([str(value) for value in values])

        def compute(rows: Ints) -> pa.Table:
            chosen = [values[row] for row in rows]
            done.extend(chosen)
            added = pa.table({"result": pa.array([f"<{value}>" for value in chosen], pa.string())})
            memory.add(keys[rows], added)
            return added

        return fill(keys, [memory], compute).added

    for values in (earlier, now):
        assert run(values)["result"].to_pylist() == [f"<{value}>" for value in values]
    assert sorted(done) == sorted(set(earlier) | set(now))


def test_counts_of_what_was_there() -> None:
    memory = Memory()
    memory.add(keys_of(["a"]), pa.table({"r": ["A"]}))
    filled = fill(keys_of(["a", "b", "b", "a"]), [memory], lambda rows: pa.table({"r": ["B"]}))
    assert filled.added["r"].to_pylist() == ["A", "B", "B", "A"]
    assert (filled.found, filled.twins) == ((2,), 1)


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    part = pa.table({"r": ["x" * 100]})
    memory = Memory(most_bytes=3 * part.nbytes)
    for number in range(5):
        memory.add(keys_of([str(number)]), part)
    found = [len(list(memory.find(keys_of([str(number)])))) for number in range(5)]
    assert found == [0, 0, 1, 1, 1]
    memory.add(keys_of(["0"]), pa.table({"r": ["x" * 10_000]}))
    assert list(memory.find(keys_of(["0", "4"]))) == []


def test_keys_follow_texts_and_rates_alone() -> None:
    texts = ["a", "b", None, "", "a"]
    plain = keys_of(texts)
    assert (plain[0] == plain[4]).all()
    assert len(np.unique(plain, axis=0)) == 4
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        assert (keys_of(texts, kind) == plain).all(), kind
    table = pa.table({"text": ["a"] * 4, "rate": pa.array([0.5, 0.25, None, 0.5])})
    assert len(np.unique(row_keys(table, ["text"], "rate"), axis=0)) == 3
    halves = pa.table({"a": ["xy", "x"], "b": ["z", "yz"]})
    assert len(np.unique(row_keys(halves, ["a", "b"], None), axis=0)) == 2


def test_bytes_that_are_no_text_have_keys(tmp_path: Any) -> None:
    broken = pa.array([b"\xff", b"\xfe", b"\xff"], pa.binary()).view(pa.string())
    assert len(np.unique(row_keys(pa.table({"t": broken}), ["t"], None), axis=0)) == 2
    nothing = pa.table({"t": pa.nulls(2)})
    assert (row_keys(nothing, ["t"], None) == keys_of([None, None])).all()


@pytest.mark.parametrize("files", [[], [["a", "b"], [], ["c", "a"]]])
def test_the_index_gives_a_place_of_each_key(files: list[list[str]]) -> None:
    keys = [keys_of(texts) for texts in files]
    index = Index.of(keys, [np.arange(len(texts), dtype=np.int64) for texts in files])
    places = index.find(keys_of(["c", "a", "no"])).tolist()
    assert places == ([-1, -1, -1] if not files else [2 << 32, 0, -1])
