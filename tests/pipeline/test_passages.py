"""Lists of passages and the coarse stage through tables, jobs, `verify` and `inspect`."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from compressor.config import CompressConfig, CompressionSection
from compressor.corpus.columns import check_columns, text_columns
from compressor.engine.compressor import Compressor
from compressor.errors import InputError
from compressor.pipeline.prepare import recipe_of
from compressor.pipeline.refresh import Refreshed
from compressor.pipeline.reuse import row_keys
from compressor.pipeline.rows import compress_table
from compressor.report.config import InspectConfig
from compressor.report.records import load_records
from compressor.schema import load
from jobs.verify import main as verify
from tests.conftest import TEXTS

LISTS = [TEXTS, TEXTS[:2], None, [], [None], [" ", None], [TEXTS[0]], [None, *TEXTS[1:4], ""]]
KINDS = [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.large_string())]
COARSE = "compression.coarse=sentence"


@pytest.fixture(scope="module")
def compressor(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), dtype="float32")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("coarse", ["none", "sentence"])
def test_rows_of_passages(compressor: Compressor, kind: pa.DataType, coarse: str) -> None:
    table = pa.table({"text": pa.array(LISTS, kind)})
    settings = CompressionSection.model_validate({"rate": 0.4, "coarse": coarse})
    result, statistics = compress_table(table, compressor, settings, text_columns("text"))

    status = ["ok", "ok", "empty", "empty", "empty", "empty", "ok", "ok"]
    assert result["status"].to_pylist() == status
    assert result["compressed_text"].type == pa.string()
    texts = [[part for part in row or () if part is not None] for row in LISTS]
    expected = compressor.compress(texts, 0.4, coarse=coarse)
    assert result["compressed_text"].to_pylist() == [
        None if row is None else one.text for row, one in zip(LISTS, expected, strict=True)
    ]
    assert statistics.compressed_tokens == sum(one.compressed_tokens for one in expected)


def test_passages_of_a_fixed_number(compressor: Compressor) -> None:
    table = pa.table({"text": pa.array([TEXTS[:3], None, TEXTS[2:]], pa.list_(pa.string(), 3))})
    result, _ = compress_table(table, compressor, CompressionSection(), text_columns("text"))
    assert result["status"].to_pylist() == ["ok", "empty", "ok"]
    assert len(set(map(tuple, row_keys(table, ["text"], None).tolist()))) == 3


def test_passages_that_are_no_text(compressor: Compressor) -> None:
    inner = pa.array([TEXTS[0].encode(), b"caf\xe9", b"fine"]).view(pa.string())
    table = pa.table({"text": pa.ListArray.from_arrays(pa.array([0, 2, 3]), inner)})
    result, _ = compress_table(table, compressor, CompressionSection(), text_columns("text"))
    assert result["status"].to_pylist() == ["error", "ok"]
    assert result["error"].to_pylist()[0].startswith("not UTF-8")


@pytest.mark.parametrize("kind", KINDS)
def test_keys_tell_passages_apart(kind: pa.DataType) -> None:
    rows = [["ab"], ["a", "b"], ["a", "", "b"], [""], [], None, ["a\nb"], ["b", "a"]]
    keys = row_keys(pa.table({"text": pa.array([*rows, *rows], kind)}), ["text"], None)
    assert len(set(map(tuple, keys.tolist()))) == len(rows)
    assert (keys[: len(rows)] == keys[len(rows) :]).all()


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.list_(pa.list_(pa.string())), pa.binary()]
)
def test_lists_of_something_else_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(InputError, match="not text"):
        check_columns(pa.schema([("text", kind)]), text_columns("text"), None)


def config(*settings: str) -> CompressConfig:
    return load(CompressConfig, None, ["input.path=in", "output.path=out", *settings])


def test_the_recipe_is_what_it_was_before_there_was_a_coarse_stage() -> None:
    """Or a refresh would compress all of a published table again."""
    compression = {
        "rate": 0.5, "target_tokens": None, "rate_column": None, "scope": "record",
        "force_tokens": ["?"], "force_reserve_digit": False, "drop_consecutive": False,
        "protect": [], "tokenizer": None,
    }  # fmt: skip
    before = {
        "algorithm": 1, "model": "digest", "dtype": "auto", "text_column": "text",
        "compression": compression,
    }  # fmt: skip
    expected = hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()
    forced = 'compression.force_tokens=["?"]'
    assert recipe_of(config(forced), "digest") == expected
    assert recipe_of(config(forced, "compression.coarse=none"), "digest") == expected
    others = [
        recipe_of(config(forced, COARSE, *more), "digest")
        for more in ([], ["compression.coarse_share=0.8"])
    ]
    assert len({expected, *others}) == 3


def test_a_share_without_the_stage_is_refused() -> None:
    with pytest.raises(InputError, match=r"compression\.coarse_share has no meaning"):
        config("compression.coarse_share=0.8")
    with pytest.raises(InputError, match=r"compression\.coarse_share"):
        config(COARSE, "compression.coarse_share=0")


def write(folder: Path, first: int, last: int, name: str = "a") -> Path:
    """Rows of passages, no two the same."""
    folder.mkdir(exist_ok=True)
    rows = [
        [f"{TEXTS[(number + at) % 5]} It is number {number}." for at in range(number % 5)]
        for number in range(first, last)
    ]
    rows[3:4] = [None]
    table = pa.table({"id": range(first, last), "text": pa.array(rows, pa.list_(pa.string()))})
    pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize("scope", ["record", "corpus"])
def test_a_job_over_passages(
    tmp_path: Path, compress: Callable[..., dict[str, Any]], tiny_model: Path, scope: str
) -> None:
    source, target = write(tmp_path / "in", 0, 60), tmp_path / "out"
    settings = [COARSE, f"compression.scope={scope}", "cluster.rows_per_shard=20"]

    summary = compress(source, target, *settings)

    assert summary["rows_by_status"] == {"ok": 47, "empty": 13, "error": 0}
    assert abs(summary["rate"] - 0.5) < 0.1
    rows = pq.read_table(target)
    assert sorted(rows["id"].to_pylist()) == list(range(60))
    checked = CliRunner().invoke(verify, [str(target)])
    assert checked.exit_code == 0, checked.output
    if scope == "corpus":
        assert len(summary["threshold"]) == 2
    sorted(target.glob("*.parquet"))[0].unlink()
    again = compress(source, target, *settings)
    assert again["threshold"] == summary["threshold"]
    assert pq.read_table(target).sort_by("id") == rows.sort_by("id")

    shown = load_records(
        InspectConfig.model_validate(
            {
                "input": {"path": str(source)},
                "model": {"name": str(tiny_model), "dtype": "float32"},
                "compression": {"coarse": "sentence", "scope": scope},
            }
        ),
        count=60,
    )
    finished = load_records(
        InspectConfig.model_validate({"input": {"path": str(target)}}), count=60
    )
    by_id = {row["id"]: row for row in rows.to_pylist()}
    texts = [by_id[number]["compressed_text"] for number in range(60)]
    assert [record.compressed or None for record in shown] == [text or None for text in texts]
    assert sorted(record.text for record in finished) == sorted(record.text for record in shown)


def test_a_refresh_takes_rows_of_passages_over(
    tmp_path: Path, renew: Callable[..., Refreshed]
) -> None:
    source, target = write(tmp_path / "in", 0, 20), tmp_path / "out"
    renew(source, target, COARSE)
    write(source, 0, 30)
    second = renew(source, target, COARSE)
    rows = second.changes["rows"]
    assert (rows["taken_over"], rows["compressed"]) == (22, 8)  # two of the new ones are empty, too
