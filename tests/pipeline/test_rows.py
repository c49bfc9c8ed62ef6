"""Rows in, rows out: whatever a row holds, it comes out once, with its status."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from compressor.config import CompressionSection
from compressor.corpus.columns import text_columns
from compressor.engine.compression import Columns
from compressor.engine.compressor import Compressor
from compressor.pipeline.rows import compress_isolated, compress_table, texts_of
from compressor.pipeline.statistics import Statistics

TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."


@pytest.fixture(scope="module")
def compressor(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), device="cpu", dtype="float32")


def compressed(
    compressor: Compressor, table: pa.Table, columns: str | list[str] = "text", **settings: Any
) -> tuple[list[dict[str, Any]], Statistics]:
    result, statistics = compress_table(
        table, compressor, CompressionSection(**settings), text_columns(columns)
    )
    return result.to_pylist(), statistics


def test_statuses(compressor: Compressor) -> None:
    table = pa.table({"text": [TEXT, None, "", " \n\t", "a", "\x00\x01\x7f", "🦊" * 50]})

    rows, statistics = compressed(compressor, table)

    assert [row["status"] for row in rows] == ["ok", "empty", "empty", "empty", "ok", "ok", "ok"]
    assert [row["compressed_text"] is None for row in rows] == [False, True, *[False] * 5]
    assert [row["error"] for row in rows] == [None] * 7
    assert rows[1]["original_tokens"] == rows[1]["compressed_tokens"] == 0
    assert (statistics.rows, statistics.ok, statistics.empty) == (7, 4, 3)
    assert statistics.original_tokens == sum(row["original_tokens"] for row in rows)
    assert statistics.compressed_tokens == sum(row["compressed_tokens"] for row in rows)
    assert statistics.model_seconds > 0


def test_added_columns_have_the_contracts_types(compressor: Compressor) -> None:
    table = pa.table({"text": pa.array([TEXT], pa.large_string())})
    result, _ = compress_table(table, compressor, CompressionSection(), text_columns("text"))
    assert {field.name: str(field.type) for field in result.schema} == {
        "text": "large_string",
        "compressed_text": "string",
        "original_tokens": "int32",
        "compressed_tokens": "int32",
        "status": "string",
        "error": "string",
    }


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
)
def test_the_layout_of_text_does_not_matter(compressor: Compressor, kind: pa.DataType) -> None:
    plain, _ = compressed(compressor, pa.table({"text": [TEXT, None]}))
    rows, _ = compressed(compressor, pa.table({"text": pa.array([TEXT, None], kind)}))
    assert rows == plain


def test_rates_of_single_rows(compressor: Compressor) -> None:
    rates = [None, 1.0, 0.2, 0.0, -1.0, 1.5, float("nan")]
    table = pa.table({"text": [TEXT] * 7, "r": rates})

    rows, statistics = compressed(compressor, table, rate=0.5, rate_column="r")

    assert [row["status"] for row in rows] == ["ok"] * 3 + ["error"] * 4
    assert rows[1]["compressed_text"] == TEXT
    tokens = [row["compressed_tokens"] for row in rows]
    assert tokens[2] < tokens[0] < tokens[1]
    assert rows[5]["error"] == "r is 1.5; a rate is above 0 and at most 1"
    assert (rows[5]["compressed_text"], tokens[5]) == (None, 0)
    assert statistics.error == 4


@pytest.mark.parametrize("kind", [pa.int32(), pa.decimal128(5, 2), pa.float32()])
def test_rates_of_any_number_type(compressor: Compressor, kind: pa.DataType) -> None:
    table = pa.table({"text": [TEXT], "r": pa.array([1], pa.int8()).cast(kind)})
    rows, _ = compressed(compressor, table, rate_column="r")
    assert rows[0]["compressed_text"] == TEXT


def test_bytes_that_are_no_text(compressor: Compressor) -> None:
    bad = pa.array([TEXT.encode(), b"caf\xe9", None]).view(pa.string())

    result, statistics = compress_table(
        pa.table({"text": bad}), compressor, CompressionSection(), text_columns("text")
    )

    rows = result.drop_columns("text").to_pylist()
    assert [row["status"] for row in rows] == ["ok", "error", "empty"]
    assert rows[1]["error"] == "not UTF-8: unexpected end of data at byte 3"
    assert result["text"].cast(pa.binary())[1].as_py() == b"caf\xe9"
    assert statistics.error == 1


def test_several_columns(compressor: Compressor) -> None:
    table = pa.table({"title": ["A title", None, None], "body": [TEXT, TEXT, " "]})

    rows, statistics = compressed(compressor, table, ["title", "body"])

    assert [row["status"] for row in rows] == ["ok", "ok", "empty"]
    assert rows[0]["compressed_tokens_body"] <= rows[0]["original_tokens_body"]
    assert rows[1]["compressed_title"] is None
    assert statistics.rows == 3
    assert statistics.original_tokens == sum(
        row["original_tokens_title"] + row["original_tokens_body"] for row in rows
    )


def test_a_note_goes_to_the_error_column_and_the_row_is_ok(compressor: Compressor) -> None:
    rows, statistics = compressed(
        compressor, pa.table({"text": ["12 13 14 15 16"]}), rate=0.2, force_reserve_digit=True
    )
    assert rows[0]["status"] == "ok"
    assert "budget" in rows[0]["error"]
    assert statistics.notes == 1


class Fragile:
    """The real engine behind a door that some texts break."""

    def __init__(self, compressor: Compressor, message: str = "bad text") -> None:
        self._compressor, self._message = compressor, message
        self.calls = 0

    def compress_columns(self, texts: Sequence[str], *args: Any, **options: Any) -> Columns:
        self.calls += 1
        if any("poison" in text for text in texts):
            raise RuntimeError(self._message)
        return self._compressor.compress_columns(texts, *args, **options)


def test_a_row_that_raises_is_isolated(compressor: Compressor) -> None:
    texts = [f"{TEXT} {i}" for i in range(64)]
    texts[5], texts[40] = "poison", "more poison"
    fragile: Any = Fragile(compressor)

    rows, statistics = compressed(fragile, pa.table({"text": texts}))
    healthy, _ = compressed(compressor, pa.table({"text": texts}))

    assert [i for i, row in enumerate(rows) if row["status"] == "error"] == [5, 40]
    assert rows[5]["error"] == "RuntimeError: bad text"
    assert rows[5]["compressed_text"] is None
    assert statistics.error == 2
    assert fragile.calls < 30
    assert [r for i, r in enumerate(rows) if i not in {5, 40}] == [
        r for i, r in enumerate(healthy) if i not in {5, 40}
    ]


def test_a_broken_gpu_is_no_rows_fault(compressor: Compressor) -> None:
    fragile: Any = Fragile(compressor, "CUDA error: device-side assert triggered")
    with pytest.raises(RuntimeError, match="CUDA error"):
        compressed(fragile, pa.table({"text": ["poison"] * 3}))


def test_each_column_names_its_error(compressor: Compressor) -> None:
    fragile: Any = Fragile(compressor)
    table = pa.table({"title": ["poison"], "body": [TEXT]})
    rows, _ = compressed(fragile, table, ["title", "body"])
    assert rows[0]["status"] == "error"
    assert rows[0]["error"] == "title: RuntimeError: bad text"
    assert rows[0]["compressed_body"] is not None


def test_nothing_to_compress_makes_no_call() -> None:
    def call(texts: Sequence[str], rates: Sequence[float]) -> Columns:
        raise AssertionError

    assert compress_isolated([], [], call) == []


def test_texts_of_bad_bytes_name_the_place() -> None:
    column = pa.chunked_array([pa.array([b"ok", b"caf\xe9", None]).view(pa.string())])
    fine, bad, missing = texts_of(column)
    assert (fine, missing) == ("ok", None)
    assert isinstance(bad, UnicodeDecodeError)
    assert bad.start == 3
