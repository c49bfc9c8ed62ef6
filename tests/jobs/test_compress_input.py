"""What a user can get wrong: exit code 2, one line that names it, nothing written."""

import os
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from compressor.config import CompressConfig
from compressor.schema import describe
from jobs.compress import main

CONFIGURATION = Path(__file__).parents[2] / "configs" / "compress.yaml"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    table = pa.table({"text": ["some words"], "passage": ["p"], "n": [1]})
    pq.write_table(table, folder / "a.parquet")
    return folder


@pytest.fixture
def refused(corpus: Path, tmp_path: Path, tiny_model: Path) -> Any:
    """Run the command with settings; it must be refused. Gives the line."""

    def call(*settings: str, writes: bool = False) -> str:
        target = tmp_path / "out"
        defaults = [f"input.path={corpus}", f"output.path={target}", f"model.name={tiny_model}"]
        result = CliRunner().invoke(main, [*defaults, *settings])
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
        assert writes or not target.exists()
        return result.stderr

    return call


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("input.path=/no/such/place", "input.path: /no/such/place: no such file or directory"),
        ("input.path=/no/such/*.parquet", "input.path: /no/such/*.parquet: no such file or dir"),
        ("input.text_column=pasage", "no column 'pasage'; did you mean 'passage'"),
        ("input.text_column=n", "input.text_column: 'n' is int64, not text"),
        ("input.text_column=[]", "input.text_column"),
        ("compression.rate=0", "compression.rate"),
        ("compression.rate=1.5", "compression.rate"),
        ("compression.rate=.nan", "compression.rate"),
        ("compression.rate=half", "compression.rate"),
        ("compression.rate_column=text", "compression.rate_column: 'text' is string"),
        ("compression.raet=0.5", "compression.raet: unknown configuration key; did you mean"),
        ("input.pth=x", "input.pth: unknown configuration key; did you mean input.path"),
        ("model.name=/no/such/model", "/no/such/model"),
        ("model.name=no-such/model", "no-such/model"),
        ("model.max_batch_tokens=12", "should be 'auto' or greater than or equal to 512 (got 12)"),
        ("cluster.replicas=[0, 2]", "cluster.replicas.0: should be greater than or equal to 1"),
        ("cluster.replicas=[3, 1]", "cluster.replicas: a range of replicas is [min, max]"),
        ("output.path=''", "output.path: is required"),
        ("input.path=foo://bucket/x", "input.path: foo://bucket/x: Protocol not known: foo"),
    ],
)
def test_settings(refused: Any, setting: str, line: str) -> None:
    assert line in refused(setting)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            ["compression.target_tokens=9", "compression.rate_column=n"],
            "error: compression.target_tokens and compression.rate_column exclude each other; "
            "unset one of them\n",
        ),
        (
            ["compression.scope=corpus", "compression.rate_column=n"],
            "error: compression.rate_column is per record and has no meaning with "
            "compression.scope=corpus; unset one of them\n",
        ),
    ],
)
def test_settings_that_exclude_each_other(refused: Any, settings: list[str], line: str) -> None:
    assert refused(*settings) == line


def test_no_parquet_there(refused: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.txt").write_text("no")
    assert "no Parquet files there" in refused(f"input.path={empty}")


def test_a_truncated_file_is_named(refused: Any, corpus: Path) -> None:
    good = (corpus / "a.parquet").read_bytes()
    (corpus / "b.parquet").write_bytes(good[:-30])
    assert f"{corpus}/b.parquet: not a readable Parquet file" in refused()
    assert (corpus / "a.parquet").read_bytes() == good


def test_incompatible_files_are_named(refused: Any, corpus: Path) -> None:
    pq.write_table(pa.table({"text": ["x"], "n": ["one"]}), corpus / "b.parquet")
    assert "b.parquet: column 'n' is string there and int64 in" in refused()


def test_output_that_holds_something_else(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.csv").write_text("1")
    assert "output.path" in refused(writes=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious.csv"]


def test_output_in_the_input(refused: Any, corpus: Path) -> None:
    assert "lies in input.path" in refused(f"output.path={corpus}/out")
    assert "lies in input.path" in refused(f"output.path={corpus}")


def test_unknown_bucket(refused: Any, s3_options: dict[str, Any]) -> None:
    options = yaml.safe_dump(s3_options, default_flow_style=True)
    line = refused("input.path=s3://nowhere/x", f"input.storage_options={options}")
    assert line == "error: input.path: s3://nowhere/x: no such bucket\n"
    line = refused("output.path=s3://nowhere/x", f"output.storage_options={options}")
    assert line == "error: output.path: s3://nowhere/x: no such bucket\n"


def test_no_credentials(
    refused: Any, s3_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.filesystem("s3", **s3_options).mkdir("credentials")
    url = f"input.storage_options.endpoint_url={s3_options['endpoint_url']}"
    assert "input.path: s3://credentials/x: no credentials" in refused(
        "input.path=s3://credentials/x", url
    )


def test_the_example_configuration_states_the_defaults() -> None:
    stated = yaml.safe_load(CONFIGURATION.read_text())
    own = {"input": {"path": stated["input"]["path"]}, "output": {"path": stated["output"]["path"]}}
    assert CompressConfig.model_validate(stated) == CompressConfig.model_validate(own)
    keys = {key for key, _, _ in describe(CompressConfig)}
    assert keys == {f"{section}.{key}" for section, values in stated.items() for key in values}


def test_help_lists_every_key() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    assert all(f"{key}=" in output for key, _, _ in describe(CompressConfig))
