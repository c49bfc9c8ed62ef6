"""A finished output passes; each kind of damage is found, with the file and the row."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from compressor.corpus.write import RECORD
from jobs.verify import main
from tests.conftest import TEXTS
from tests.pipeline.corpora import table, write_files

Job = Callable[..., dict[str, Any]]


def run(target: Path, *settings: str) -> Result:
    return CliRunner().invoke(main, [str(target), *settings])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, compress: Job, every_type: pa.Table) -> Path:
    """An input `in` of every type, with bad rows, and the output `out` of a job."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "in").mkdir()
    rates = pa.array([0.3, None, 1.0, 7.0, 0.5, 0.5, 0.5])
    pq.write_table(every_type.append_column("rate", rates), folder / "in" / "a.parquet")
    compress(
        folder / "in",
        folder / "out",
        "compression.rate_column=rate",
        "cluster.rows_per_shard=3",
        "compression.force_tokens=[fox, dog, sleeps, morning, over, lazy]",
    )
    return folder


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done / "out", tmp_path / "out"))


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of an output file, and nothing else of it."""
    before = pq.read_table(path)
    record = pq.read_metadata(path).metadata[RECORD]
    rows = before.to_pylist()
    change(rows)
    columns = [pa.array([row[f.name] for row in rows], f.type) for f in before.schema]
    with pq.ParquetWriter(path, before.schema) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=before.schema))
        writer.add_key_value_metadata({RECORD: record})


def test_a_finished_output_passes(done: Path) -> None:
    result = run(done / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout == "7 rows in 3 files: each there once and as it should be\n"


def test_a_delta_table_passes_after_a_refresh(tmp_path: Path, compress: Job) -> None:
    from compressor.config import CompressConfig
    from compressor.pipeline.refresh import refresh
    from compressor.schema import load

    source = write_files(tmp_path / "in", [table(range(20)), table(range(20, 40))])
    target = tmp_path / "out"
    summary = compress(source, target, "output.format=delta", "cluster.rows_per_shard=14")
    model = summary["configuration"]["model"]["name"]
    pq.write_table(table(range(40, 50)), source / "9.parquet")
    assert run(target).exit_code == 1
    settings = [f"input.path={source}", f"output.path={target}", f"model.name={model}"]
    refresh(load(CompressConfig, None, [*settings, "model.dtype=float32"]))

    result = run(target)

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("50 rows in ")


DAMAGE: list[tuple[str, Any, str]] = [
    ("compressed_text", "walked Moon people", "is no selection of the text's own words"),
    ("compressed_text", "", "has 0 tokens, not"),
    ("compressed_text", "", "has 0 tokens, although words fit its budget of"),
    ("compressed_text", TEXTS[0], "its budget is"),
    ("compressed_text", None, "is null, but the text is not"),
    ("original_tokens", 3, "tokens, not 3"),
    ("id", 99, "column 'id' is not what it was"),
    ("text", "other", "column 'text' is not what it was"),
    ("tags", ["b"], "column 'tags' is not what it was"),
    ("status", "fine", "its status is 'fine'"),
    ("compressed_tokens", 0, "the statistics in its footer are not those of its rows"),
]


@pytest.mark.parametrize(("column", "value", "line"), DAMAGE)
def test_damaged_rows(copy: Path, column: str, value: Any, line: str) -> None:
    path = sorted(copy.glob("*.parquet"))[0]

    def change(rows: list[dict[str, Any]]) -> None:
        rows[1][column] = value

    rewrite(path, change)
    result = run(copy)
    assert result.exit_code == 1
    assert any(line in said and path.name in said for said in result.stdout.splitlines())
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_lost_doubled_and_foreign_files(copy: Path) -> None:
    first, second, _ = sorted(copy.glob("*.parquet"))
    shutil.copy(first, copy / "twice.parquet")
    second.unlink()
    pq.write_table(pa.table({"a": [1]}), copy / "foreign.parquet")
    (copy / "cut.parquet").write_bytes(first.read_bytes()[:-9])

    said = run(copy).stdout

    assert "a.parquet: row group 0: rows 2 to 3 are missing" in said
    assert f"are in {first.name} and twice.parquet" in said
    assert "foreign.parquet: was not written by this job" in said
    assert "cut.parquet: can't be read" in said


def test_statistics_that_do_not_add_up(copy: Path) -> None:
    path = copy / "_stats" / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "rows": 8}))
    assert "_stats/summary.json: rows is 8, the rows give 7" in run(copy).stdout
    path.unlink()
    assert "_stats/summary.json: is not there" in run(copy).stdout


def test_what_can_not_be_verified(tmp_path: Path, copy: Path) -> None:
    assert run(tmp_path / "no").exit_code == 2
    (copy / "_stats" / "configuration.json").unlink()
    result = run(copy)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: output.path: ")
    assert run(copy, f"input.path={tmp_path / 'gone'}").exit_code == 2
