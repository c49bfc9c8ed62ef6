"""Planning: which files, which shards, which schema, and what is refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.corpus import plan as planning
from compressor.corpus.columns import text_columns
from compressor.corpus.plan import Plan, plan_corpus
from compressor.corpus.shards import read_units
from compressor.corpus.storage import Storage
from compressor.errors import InputError


def plan_of(path: Path | str, **changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "columns": text_columns("text"),
        "rate_column": None,
        "rows_per_shard": 10,
        "recipe": "r",
        **changes,
    }
    return plan_corpus(Storage.at(str(path), key="input.path"), **settings)


def write(path: Path, rows: int, group: int = 100, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": ["some words"] * rows, **columns})
    pq.write_table(table, path, row_group_size=group)


def test_small_files_are_packed_and_large_groups_split(tmp_path: Path) -> None:
    for name in "abcd":
        write(tmp_path / f"{name}.parquet", 4)
    write(tmp_path / "e.parquet", 25)
    write(tmp_path / "f.parquet", 9, group=3)

    plan = plan_of(tmp_path)

    assert [shard.rows for shard in plan.shards] == [8, 8, 8, 8, 9, 9]
    assert plan.rows == 50
    assert [len(unit) for unit in read_units(plan.shards)] == [1, 1, 3, 1]
    assert len(plan.shards[-1].pieces) == 1  # neighbouring row groups are one piece
    assert [shard.name for shard in plan.shards] == sorted(shard.name for shard in plan.shards)


def test_shards_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SHARD_BYTES", 10_000)
    table = pa.table({"text": [f"{i} {'x' * 1000}" for i in range(40)]})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)

    plan = plan_of(tmp_path, rows_per_shard=1000)

    assert len(plan.shards) == 5
    assert max(shard.rows for shard in plan.shards) == 8


def test_fingerprints_follow_input_and_recipe(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 10)
    write(tmp_path / "b.parquet", 10)
    before = plan_of(tmp_path).shards

    assert list(plan_of(tmp_path).shards) == list(before)
    assert all(
        new.fingerprint != old.fingerprint
        for new, old in zip(plan_of(tmp_path, recipe="other").shards, before, strict=True)
    )
    write(tmp_path / "b.parquet", 10, group=5)
    after = plan_of(tmp_path).shards
    assert after[0] == before[0]
    assert after[1].fingerprint != before[1].fingerprint


def test_with_a_corpus_wide_threshold_each_shard_depends_on_all(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 10)
    write(tmp_path / "b.parquet", 10)
    before = plan_of(tmp_path, whole_corpus=True).shards
    write(tmp_path / "b.parquet", 10, group=5)

    assert plan_of(tmp_path, whole_corpus=True).shards[0].fingerprint != before[0].fingerprint


def test_helpers_and_other_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1)
    write(tmp_path / "sub" / "b.parq", 1)
    for name in ("_tmp.parquet", ".hidden.parquet", "_stats/c.parquet", ".x/d.parquet"):
        write(tmp_path / name, 1)
    (tmp_path / "README.md").write_text("not Parquet")

    files = [Path(file.path).name for file in plan_of(tmp_path).files]

    assert files == ["a.parquet", "b.parq"]


def test_a_file_and_a_glob_are_inputs_too(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1)
    write(tmp_path / "b.parquet", 1)
    write(tmp_path / "data.bin", 1)

    assert plan_of(tmp_path / "data.bin").rows == 1
    assert len(plan_of(tmp_path / "*.parquet").files) == 2
    assert len(plan_of(str(tmp_path / "[a].parquet")).files) == 1


def test_no_rows_make_one_shard_without_pieces(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 0)

    (shard,) = plan_of(tmp_path).shards

    assert shard.rows == 0
    assert shard.pieces == ()


def test_a_long_footer_is_read_whole(tmp_path: Path) -> None:
    metadata = {f"key{i}": "v" * 100 for i in range(1000)}
    table = pa.table({"text": ["a"]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "a.parquet")

    assert len(plan_of(tmp_path).schema.metadata) == 1000


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"input\.path: .*nowhere: no such file or directory"):
        plan_of(tmp_path / "nowhere")


def test_no_parquet_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n")
    with pytest.raises(InputError, match="no Parquet files there"):
        plan_of(tmp_path)
    with pytest.raises(InputError, match="no Parquet files there"):
        plan_of(tmp_path / "*.parquet")


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1 and no end", None])
def test_unreadable_file_is_named(tmp_path: Path, damage: bytes | None) -> None:
    write(tmp_path / "a.parquet", 5)
    write(tmp_path / "bad.parquet", 5)
    path = tmp_path / "bad.parquet"
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)

    with pytest.raises(InputError, match=r"bad\.parquet: not a readable Parquet file"):
        plan_of(tmp_path)


def test_missing_column_suggests(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1, passage=["p"], n=[1])

    with pytest.raises(InputError, match="no column 'pasage'; did you mean 'passage'"):
        plan_of(tmp_path, columns=text_columns("pasage"))
    with pytest.raises(InputError, match="no column 'zzzz'; there are 'text', 'passage', 'n'"):
        plan_of(tmp_path, columns=text_columns(["text", "zzzz"]))


def test_wrong_types_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1, n=[1], words=[["a"]], ids=[[1]])

    with pytest.raises(InputError, match="'n' is int64, not text; text columns are 'text'"):
        plan_of(tmp_path, columns=text_columns("n"))
    with pytest.raises(InputError, match="'ids' is list<element: int64>, not text"):
        plan_of(tmp_path, columns=text_columns(["ids"]))
    with pytest.raises(InputError, match=r"compression\.rate_column: 'text' is string"):
        plan_of(tmp_path, rate_column="text")
    assert plan_of(tmp_path, rate_column="n").rows == 1
    assert plan_of(tmp_path, columns=text_columns("words")).rows == 1  # passages of a record


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.null(),
    ],
)
def test_every_layout_of_text_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    value = None if pa.types.is_null(kind) else "a"
    pq.write_table(pa.table({"text": pa.array([value], kind)}), tmp_path / "a.parquet")

    assert plan_of(tmp_path).rows == 1


@pytest.mark.parametrize("name", ["compressed_text", "original_tokens", "status", "error"])
def test_columns_in_the_way_are_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.parquet", 1, **{name: ["x"]})

    with pytest.raises(InputError, match=f"already has a column '{name}'"):
        plan_of(tmp_path)


def test_columns_twice_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")

    with pytest.raises(InputError, match=r"a\.parquet: has the column 'text' twice"):
        plan_of(tmp_path)


def test_the_output_schema_adds_our_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 1, title=["t"])

    names = plan_of(tmp_path, columns=text_columns(["title", "text"])).output_schema.names

    assert names == [
        "text",
        "title",
        "compressed_title",
        "original_tokens_title",
        "compressed_tokens_title",
        "compressed_text",
        "original_tokens_text",
        "compressed_tokens_text",
        "status",
        "error",
    ]
