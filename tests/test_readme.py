"""The README and the site say what is: tables are the schema, commands exist, and the README's run.

What stands on the pages of the site is run by tests/infra/test_site_pages.py.

`python -m tests.test_readme` writes the table of configuration keys and the example anew.
"""

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from compressor.cli import job_names
from compressor.config import CompressConfig
from compressor.corpus.demo import corpus, write_corpus
from compressor.report.align import kept_spans
from compressor.schema import describe
from tests.infra.commands import of_runbook
from tests.pages import PAGES, README, ROOT, blocks, commands, configurations, name, runs_here

TABLE = re.compile(r"<!-- keys -->\n(.*?)<!-- /keys -->", re.DOTALL)
EXAMPLE = re.compile(r"<!-- example -->\n(.*?)<!-- /example -->", re.DOTALL)
PASSAGE, RATE = "objects-1", 0.5


def table() -> str:
    rows = ["| Key | Default | Meaning |", "|---|---|---|"]
    for key, default, text in describe(CompressConfig):
        shown = (
            {None: "null", True: "true", False: "false"}[default]
            if (default is None or isinstance(default, bool))
            else str(default) or "(required)"
        )
        rows.append(f"| `{key}` | `{shown}` | {text.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def example() -> str:
    """A passage of the demo before and after, as two quotations."""
    from compressor import Compressor

    text = next(row["text"] for row in corpus().to_pylist() if row["id"] == PASSAGE)
    (result,) = Compressor.from_pretrained().compress([text], RATE)
    quotes = (
        f"**{name}** ({tokens} tokens)\n\n{part}".splitlines()
        for name, tokens, part in (
            ("Before", result.original_tokens, text),
            ("After", result.compressed_tokens, result.text),
        )
    )
    return "\n<!-- -->\n\n".join(
        "".join(f"> {line}".rstrip() + "\n" for line in quote) for quote in quotes
    )


def run_all(lines: list[str], folder: Path, environment: dict[str, str]) -> list[str]:
    """Run `compressor ...` lines in `folder`; return what they print."""
    printed = []
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "compressor"
        done = subprocess.run(
            [sys.executable, "-c", "from compressor.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
        assert done.returncode == 0, (line, done.stderr)
        printed.append(done.stdout)
    return printed


def test_the_table_is_the_schema() -> None:
    found = TABLE.search(README.read_text(encoding="utf-8"))
    assert found, "README.md has no table of keys"
    assert found[1] == table(), "run: python -m tests.test_readme"


def test_the_jobs_are_those_that_are_there() -> None:
    text = README.read_text(encoding="utf-8")
    listed = text[text.index("| Job |") :].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)) == set(job_names())


def test_every_command_is_one_that_we_run() -> None:
    """Targets of make run in CI; jobs must parse here, and the local ones run below."""
    ci = (ROOT / ".ci" / "run").read_text() + " format"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for page in PAGES:
        for line in commands(page):
            program, *arguments = shlex.split(line)
            if program == ".":
                assert arguments == [".venv/bin/activate"]
            elif program == "make":
                assert set(arguments) <= set(re.findall(r"\w+", ci)), line
            elif program == "export":
                assert all(re.match(r"[A-Z_]+=", argument) for argument in arguments), line
            elif program == "pip":
                assert arguments[0] == "install", line
            elif program == "kubectl":
                assert line in of_runbook(), f"{line}: not in infra/README.md, where it is checked"
            else:
                assert program == "compressor", line
                assert arguments[0] in job_names(), line
        for named in re.findall(r"'(?:compressor|\.)\[([\w,-]+)\]'", page.read_text("utf-8")):
            assert set(named.split(",")) <= set(extras), (page, named)


@pytest.mark.parametrize(
    ("page", "line"),
    [(page, line) for page in PAGES for line in commands(page) if line.startswith("compressor ")],
    ids=lambda value: name(value) if isinstance(value, Path) else value,
)
def test_the_options_and_keys_of_a_command_exist(
    page: Path, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key that doesn't exist at the end, that one is what is complained about."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    configurations(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    _, job, *arguments = shlex.split(line)
    command = importlib.import_module(f"jobs.{job}").main
    keys = [argument.partition("=")[0] for argument in arguments if "=" in argument]
    if keys or "--config" in arguments:
        wrong = f"{keys[0].partition('.')[0] if keys else 'input'}.no_such_key"
        result = CliRunner().invoke(command, [*arguments, f"{wrong}=1"])
    else:  # `submit status` and such have no keys
        wrong = "--no-such-option"
        result = CliRunner().invoke(command, [*arguments, wrong])
    assert result.exit_code == 2
    assert wrong in result.stderr


def test_the_example_is_a_selection_of_its_original() -> None:
    found = EXAMPLE.search(README.read_text(encoding="utf-8"))
    assert found
    before, after = (
        " ".join(line.removeprefix(">").strip() for line in quote.splitlines()[2:])
        for quote in found[1].split("<!-- -->\n\n")
    )
    assert kept_spans(before, after) is not None
    assert len(after) < 0.8 * len(before)


def test_the_commands_step_by_step_run(tmp_path: Path, tiny_model: Path) -> None:
    """With a tiny model, in a folder that has the demo's corpus; the chain that wants a server is
    run by tests/jobs/test_teach.py."""
    write_corpus(tmp_path / "demo" / "corpus")
    (tmp_path / "demo" / "corpus" / "topics-3.parquet").unlink()  # less to do
    lines = [line for line in commands(README) if runs_here(line)]
    plain = (" verify ", " report ")  # they take the model from what lies beside the output
    own = [
        line if any(job in line for job in plain) else f"{line} model.name={tiny_model}"
        for line in lines
    ]
    printed = run_all(own, tmp_path, {})
    looked, swept, estimated, compressed, report, verified, example, written = printed
    rows = pq.read_table(tmp_path / "compressed").num_rows
    assert rows > 100
    assert looked.count("--- row ") == 3
    assert "0.8" in swept
    assert (tmp_path / "sweep" / "sweep.csv").exists()
    assert "pays after" in estimated
    assert f"{rows:,} ok" in compressed
    assert report.endswith("compressed/_stats/report.html\n")
    assert f"{rows:,} rows" in verified
    assert "objects-1" in example
    assert "100 records in records.html" in written


def test_the_command_for_another_s3_endpoint_runs(
    tiny_model: Path, tmp_path: Path, s3_server: str, s3_options: dict[str, Any]
) -> None:
    (line,) = (line for line in commands(README) if "endpoint_url" in line)
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("bucket")
    with storage.open("bucket/corpus/a.parquet", "wb") as file:
        pq.write_table(corpus().slice(0, 5), file)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    line = re.sub(r"http://localhost:\d+", s3_server, line)
    run_all([f"{line} model.name={tiny_model}"], tmp_path, keys)
    (written,) = storage.glob("bucket/smaller/*.parquet")
    assert pq.read_table(written, filesystem=storage).num_rows == 5


def test_the_python_examples_run() -> None:
    from compressor.models.resolve import DEFAULT

    if not (DEFAULT / "config.json").exists():
        pytest.skip("the shipped weights are not there")
    names: dict[str, Any] = {}
    for block in blocks(README, "python"):
        exec(block.text, names)
    assert names["result"].compressed_tokens <= 0.5 * names["result"].original_tokens + 1
    assert "Moon" in names["result"].text


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    for name, part, content in (("keys", TABLE, table()), ("example", EXAMPLE, example())):
        new = f"<!-- {name} -->\n{content}<!-- /{name} -->"
        text = part.sub(lambda _, new=new: new, text)  # type: ignore[misc]
    README.write_text(text, encoding="utf-8")
