import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from compressor import Compressor
from compressor.config import CompressionSection
from compressor.corpus.columns import text_columns
from compressor.errors import InputError
from compressor.pipeline.rows import compress_table
from compressor.report.config import InspectConfig
from compressor.report.records import load_records
from jobs.inspect import main

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps until the morning.",
    None,
    "In 1969 two people walked on the Moon.\nThey stayed for 21 hours and 36 minutes.",
    " ",
    "Parquet keeps a table by columns, which makes it small and quick to read.",
]


@pytest.fixture(scope="module")
def compressor(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), dtype="float32")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two files, the second with row groups of one row."""
    table = pa.table({"id": [f"n{i}" for i in range(len(TEXTS))], "text": TEXTS, "more": TEXTS})
    folder = tmp_path / "corpus"
    folder.mkdir()
    pq.write_table(table.slice(0, 2), folder / "a.parquet")
    pq.write_table(table.slice(2), folder / "b.parquet", row_group_size=1)
    return folder


@pytest.fixture
def output(tmp_path: Path, corpus: Path, compressor: Compressor) -> Path:
    """What `compress` makes of the corpus."""
    table, _ = compress_table(
        pq.read_table(corpus), compressor, CompressionSection(), text_columns("text")
    )
    folder = tmp_path / "output"
    (folder / "_stats").mkdir(parents=True)
    pq.write_table(table, folder / "part-00000.parquet")
    pq.write_table(table, folder / "_stats" / "shards.parquet")
    return folder


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def config(path: Path, model: Path | None = None, **compression: Any) -> InspectConfig:
    return InspectConfig.model_validate(
        {
            "input": {"path": str(path)},
            "model": {"name": str(model), "dtype": "float32"} if model else {},
            "compression": compression,
        }
    )


def test_an_input_is_compressed_on_the_spot(
    corpus: Path, tiny_model: Path, compressor: Compressor
) -> None:
    (record,) = load_records(config(corpus, tiny_model, rate=0.4), count=1, offset=2)
    assert TEXTS[2]
    (expected,) = compressor.compress([TEXTS[2]], 0.4)
    assert record.label == "row 2 · n2"
    assert record.kept == expected.kept
    assert record.compressed_tokens == expected.compressed_tokens


def test_a_finished_output_needs_no_model(output: Path) -> None:
    records = load_records(config(output), count=9, offset=0)
    written = pq.read_table(output / "part-00000.parquet").to_pylist()
    assert [record.text for record in records] == [text or "" for text in TEXTS]
    for record, row in zip(records, written, strict=True):
        kept = "".join(record.text[a:b] for a, b in record.kept)
        assert "".join(kept.split()) == "".join((row["compressed_text"] or "").split())
        assert record.original_tokens == row["original_tokens"]
    assert records[1].note == "no text"


def test_input_and_output_show_the_same(corpus: Path, output: Path, tiny_model: Path) -> None:
    on_the_spot = load_records(config(corpus, tiny_model), count=9, offset=0)
    finished = load_records(config(output), count=9, offset=0)
    assert [r.counts for r in on_the_spot] == [r.counts for r in finished]


def test_a_window_across_files_and_row_groups(output: Path, corpus: Path, tiny_model: Path) -> None:
    records = load_records(config(corpus, tiny_model), count=3, offset=1)
    assert [record.label for record in records] == ["row 1 · n1", "row 2 · n2", "row 3 · n3"]


def test_a_record_by_its_id(output: Path) -> None:
    records = load_records(config(output), count=2, first_id="n3")
    assert [record.label for record in records] == ["row 3 · n3", "row 4 · n4"]


def test_ids_of_another_column(output: Path) -> None:
    """The id is the column's, in the label, too; without such a column the error lists those."""
    path = output / "part-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.rename_columns(["key", *table.column_names[1:]]), path)
    records = load_records(config(output), count=1, first_id="n3", id_column="key")
    assert [record.label for record in records] == ["row 3 · n3"]
    failed = inspect(f"input.path={output}", "--id", "n3")
    assert failed.exit_code == 2
    assert "--id-column names the one to look in: key, text" in failed.stderr


def test_an_output_says_which_column_it_was_made_of(output: Path) -> None:
    path = output / "part-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.rename_columns(["id", "body", *table.column_names[2:]]), path)
    configuration = {"input": {"text_column": "body"}}
    summary = json.dumps({"configuration": configuration})
    (output / "_stats" / "summary.json").write_text(summary)
    bare = InspectConfig.model_validate({"input": {"path": str(output)}})
    (record,) = load_records(bare, count=1)
    assert record.text == TEXTS[0]
    alone = InspectConfig.model_validate({"input": {"path": str(path)}})
    with pytest.raises(InputError, match="no column 'text'"):  # a file says nothing of its making
        load_records(alone, count=1)


def test_several_text_columns(corpus: Path, tiny_model: Path) -> None:
    settings = config(corpus, tiny_model).model_dump()
    settings["input"]["text_column"] = ["text", "more"]
    records = load_records(InspectConfig.model_validate(settings), count=1, offset=0)
    assert [record.label for record in records] == ["row 0 · n0 · text", "row 0 · n0 · more"]


def test_a_rate_for_the_whole_corpus(corpus: Path, tiny_model: Path) -> None:
    records = load_records(config(corpus, tiny_model, scope="corpus"), count=9, offset=0)
    kept = sum(record.compressed_tokens for record in records)
    assert kept == pytest.approx(0.5 * sum(r.original_tokens for r in records), rel=0.1)


def test_rates_of_a_column(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "rates.parquet"
    pq.write_table(pa.table({"text": [TEXTS[0]] * 3, "rate": [0.25, None, 7.0]}), path)
    records = load_records(config(path, tiny_model, rate_column="rate"), count=3, offset=0)
    assert records[0].compressed_tokens < records[1].compressed_tokens
    assert records[2].note is not None
    assert "7.0" in records[2].note


def test_a_changed_compression_is_shown_without_marks(output: Path) -> None:
    path = output / "part-00000.parquet"
    table = pq.read_table(path)
    changed = pa.array(["something else"] * len(table))
    at = table.schema.get_field_index("compressed_text")
    pq.write_table(table.set_column(at, "compressed_text", changed), path)
    (record,) = load_records(config(output), count=1, offset=0)
    assert record.kept == [(0, len(record.text))]
    assert record.note is not None


def test_prints_plain_text_in_a_pipe(output: Path) -> None:
    result = inspect(f"input.path={output}", "-n", 1)
    assert result.exit_code == 0
    assert "--- row 0 · n0" in result.stdout
    assert "[-" in result.stdout
    assert "\x1b" not in result.stdout


def test_writes_a_page(output: Path, tmp_path: Path) -> None:
    result = inspect(f"input.path={output}", "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    assert str(tmp_path / "page.html") in result.stdout
    assert "<del>" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["input.path={corpus}", "input.text_column=txt"], "did you mean 'text'"),
        (["input.path={corpus}", "--offset", "99"], "only 5 rows"),
        (["input.path={corpus}", "--id", "n9"], "--id n9: no such record"),
        (["input.path={corpus}/none"], "no such file"),
        (["input.path={corpus}", "model.name=./nothing"], "./nothing"),
        (["input.path={corpus}", "model.name={model}", "compression.tokenizer=./none"], "none"),
        (["input.path={corpus}", "model.name={model}", "--html", "{corpus}/no/x.html"], "--html"),
        (["-n", "0"], "--records"),
    ],
)
def test_bad_input(corpus: Path, tiny_model: Path, arguments: list[str], said: str) -> None:
    result = inspect(*(a.format(corpus=corpus, model=tiny_model) for a in arguments))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
