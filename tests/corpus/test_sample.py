"""The sample is of the input's rows, each once, the same for a seed, and fair to every row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.corpus.columns import text_columns
from compressor.corpus.files import RowGroup, SourceFile
from compressor.corpus.plan import Plan, plan_corpus
from compressor.corpus.sample import Draw, draw_rows, read_draws, text_bytes
from compressor.corpus.storage import Storage
from compressor.pipeline.reuse import row_keys

SIZES = st.lists(st.lists(st.integers(0, 60), max_size=5), min_size=1, max_size=6)


def files_of(sizes: Sequence[Sequence[int]]) -> list[SourceFile]:
    return [
        SourceFile(str(f), 1, "v", tuple(RowGroup(n, n * 9, n * 8) for n in groups), pa.schema([]))
        for f, groups in enumerate(sizes)
    ]


def rows_of(draws: Sequence[Draw]) -> list[tuple[int, int, int]]:
    return [(d.file, d.group, place) for d in draws for place in d.places.tolist()]


@given(SIZES, st.integers(1, 80), st.integers(0, 5))
@settings(deadline=None)
def test_rows_are_the_inputs_and_none_is_there_twice(
    sizes: list[list[int]], wanted: int, seed: int
) -> None:
    files = files_of(sizes)
    rows = rows_of(draw_rows(files, wanted, seed=seed))
    assert len(set(rows)) == len(rows)
    assert all(place < sizes[file][group] for file, group, place in rows)
    total = sum(map(sum, sizes))
    assert len(rows) <= max(wanted, total if total <= wanted else wanted)
    if total <= wanted:
        assert len(rows) == total
    elif wanted:
        assert rows
    assert rows == rows_of(draw_rows(files, wanted, seed=seed))


def test_seeds_differ() -> None:
    files = files_of([[500], [500]])
    assert rows_of(draw_rows(files, 50, seed=0)) != rows_of(draw_rows(files, 50, seed=1))


def test_each_row_has_the_same_chance() -> None:
    """Whatever the size of its row group and file: 20 of 1,000 rows, 3,000 times."""
    files = files_of([[600, 40], [200], [100, 10, 50]])
    hits: dict[tuple[int, int], int] = {}
    times = 3000
    for seed in range(times):
        for file, group, _ in rows_of(draw_rows(files, 20, seed=seed)):
            hits[file, group] = hits.get((file, group), 0) + 1
    for (file, group), count in hits.items():
        expected = times * 20 * files[file].row_groups[group].rows / 1000
        assert count == pytest.approx(expected, rel=0.12), (file, group)
    assert sum(hits.values()) == times * 20


def test_all_sizes_of_row_groups_give_as_many_rows_as_are_wanted() -> None:
    for size in (1, 7, 40, 4096):
        files = files_of([[size] * 8] * 40)
        assert len(rows_of(draw_rows(files, 300, seed=0))) == pytest.approx(300, rel=0.05)


def corpus(folder: Path, rows: int = 90) -> tuple[Storage, Plan, list[str]]:
    texts = [f"passage {n} " + "wörd " * (n % 7) for n in range(rows)]
    for part in range(3):
        some = texts[part * rows // 3 : (part + 1) * rows // 3]
        table = pa.table({"other": pa.array(range(len(some))), "text": some})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=8)
    storage = Storage.at(str(folder), key="input.path")
    plan = plan_corpus(
        storage, columns=text_columns("text"), rate_column=None, rows_per_shard=20, recipe=""
    )
    return storage, plan, texts


def test_what_is_read_is_what_was_drawn(tmp_path: Path) -> None:
    storage, plan, _ = corpus(tmp_path)
    draws = draw_rows(plan.files, 25, seed=3)
    drawn = read_draws(storage, plan, draws, ["text"])
    for draw, one in zip(draws, drawn, strict=True):
        group = pq.ParquetFile(plan.files[draw.file].path).read_row_group(draw.group)
        assert one.table.column("text").to_pylist() == [
            group.column("text").to_pylist()[place] for place in draw.places
        ]
        assert one.rows == len(group)
        texts = group.column("text").to_pylist()
        assert one.text_bytes == one.distinct_bytes == sum(len(t.encode()) for t in texts)


def test_from_s3_as_from_disk(tmp_path: Path, s3_options: dict[str, Any]) -> None:
    storage, plan, _ = corpus(tmp_path)
    fsspec.filesystem("s3", **s3_options).put(str(tmp_path), "sampled/in/", recursive=True)
    remote = Storage.at("s3://sampled/in", s3_options, key="input.path")
    there = plan_corpus(
        remote, columns=plan.columns, rate_column=None, rows_per_shard=20, recipe=""
    )
    read = [
        [
            one.table.column("text").to_pylist()
            for one in read_draws(where, some, draw_rows(some.files, 25, seed=3), ["text"])
        ]
        for where, some in ((storage, plan), (remote, there))
    ]
    assert read[0] == read[1]
    assert sum(map(len, read[0])) >= 20


def test_footers_tell_the_bytes_of_the_text_column(tmp_path: Path) -> None:
    _, plan, texts = corpus(tmp_path)
    told = sum(group.text for file in plan.files for group in file.row_groups)
    assert told == pytest.approx(sum(len(text.encode()) + 4 for text in texts), rel=0.5)
    assert told < sum(group.bytes for file in plan.files for group in file.row_groups)


def test_repeated_rows_are_known(tmp_path: Path) -> None:
    table = pa.table({"text": ["a" * 10, "b" * 5, "a" * 10, None, "b" * 5]})
    pq.write_table(table, tmp_path / "a.parquet")
    storage = Storage.at(str(tmp_path), key="input.path")
    plan = plan_corpus(
        storage, columns=text_columns("text"), rate_column=None, rows_per_shard=20, recipe=""
    )
    (draw,) = draw_rows(plan.files, 9, seed=0)
    keys = lambda part: row_keys(part, ["text"], None)  # noqa: E731
    (one,) = read_draws(storage, plan, [draw], ["text"], keys)
    assert (one.text_bytes, one.distinct_bytes) == (30, 15)


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
)
def test_bytes_of_texts_of_any_layout(kind: pa.DataType) -> None:
    column = pa.chunked_array([pa.array(["aé", None, ""], kind), pa.array(["z"], kind)])
    assert text_bytes(column).tolist() == [3, 0, 0, 1]


def test_bytes_of_passages_and_of_nothing() -> None:
    lists = pa.chunked_array([[["aé", None, "b"], None], [[], ["cc"]]], pa.list_(pa.string()))
    assert text_bytes(lists).tolist() == [4, 0, 0, 2]
    assert text_bytes(pa.chunked_array([pa.nulls(3)])).tolist() == [0, 0, 0]
    invalid = pa.array([b"\xff\xfe"]).cast(pa.binary()).view(pa.string())
    assert text_bytes(pa.chunked_array([invalid])).tolist() == [2]


def test_text_column_of_a_list_is_known_by_its_footer(tmp_path: Path) -> None:
    table = pa.table(
        {"text": [["ab", "c"]] * 50, "texts": ["x" * 1000 + str(n) for n in range(50)]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    plan = plan_corpus(
        Storage.at(str(tmp_path), key="input.path"),
        columns=text_columns("text"),
        rate_column=None,
        rows_per_shard=20,
        recipe="",
    )
    group = plan.files[0].row_groups[0]
    assert 0 < group.text < 1000 < group.bytes
    assert np.isfinite(group.text)
