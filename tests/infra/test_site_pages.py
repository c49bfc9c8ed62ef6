"""What the pages of the site show runs: their blocks in order, as a reader would enter them.

In a folder with some of the demo's corpus; the jobs in this process, with a tiny model. Commands
that need a bucket, a cluster or a teacher are checked against the command line by
tests/test_readme.py.
"""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from compressor.cli import Job, job_names
from compressor.corpus.demo import corpus
from compressor.schema import describe, load
from tests.pages import DOCS, PAGES, README, blocks, commands, configurations, name, runs_here

HERE = [page for page in PAGES if page != README]
PACKAGES = {"langchain_core", "llama_index", "datasets"}
RUN = [page for page in HERE if blocks(page, "python") or any(map(runs_here, commands(page)))]


def test_these_are_the_pages_that_run() -> None:
    assert {name(page) for page in RUN} == {
        "quickstart.md",
        "cookbook/clusters.md",
        "cookbook/frameworks.md",
        "cookbook/markup.md",
        "cookbook/passages.md",
    }


@pytest.mark.parametrize("page", RUN, ids=name)
def test_a_page_runs(
    page: Path,
    tiny_model: Path,
    ray_session: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in PACKAGES & set(re.findall(r"\w+", str(blocks(page, "python")))):
        pytest.importorskip(package, reason="the extras of compressor.integrations")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    Path("demo/corpus").mkdir(parents=True)
    pq.write_table(corpus().slice(0, 40), "demo/corpus/topics.parquet")
    configurations(page, tmp_path)
    names: dict[str, Any] = {}
    printed: list[str] = []
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, name(page), "exec"), names)
        elif block.language == "sh":
            printed += [run(line, tiny_model) for line in block.lines if runs_here(line)]
    if name(page) == "cookbook/clusters.md":
        dry, first, second = printed
        assert "nothing was done" in dry
        assert "0 published" in first
        assert "nothing has changed" in second


def run(line: str, model: Path) -> str:
    _, job, *arguments = shlex.split(line)
    if job not in {"report", "verify"}:  # which take what lies beside the output
        arguments += [f"model.name={model}", "model.dtype=float32"]
    command = importlib.import_module(f"jobs.{job}").main
    done = CliRunner().invoke(command, [*arguments, "--debug"])
    assert done.exit_code == 0, (line, done.output, done.exception)
    assert done.stdout, line
    return done.stdout


@pytest.mark.parametrize("page", HERE, ids=name)
def test_configurations_are_valid(page: Path, tmp_path: Path) -> None:
    """Each has the name of the job that takes it."""
    configurations(page, tmp_path)
    for block in blocks(page, "yaml"):
        job = block.title.removesuffix(".yaml")
        assert job in job_names(), f"{name(page)}: a YAML block has no title of a job"
        command: Job = importlib.import_module(f"jobs.{job}").main
        load(command.schema, str(tmp_path / block.title))


def test_keys_that_the_pages_name_exist() -> None:
    """Of any job; `section.key`, with or without a value."""
    mains = [importlib.import_module(f"jobs.{job}").main for job in job_names()]
    schemas = [command.schema for command in mains if isinstance(command, Job)]
    keys = {key for schema in schemas for key, _, _ in describe(schema)}
    sections = {key.partition(".")[0] for key in keys}
    in_summary = {"model.ran_on"}
    named = {
        (name(page), found)
        for page in HERE
        for found in re.findall(r"`(\w+\.\w+)(?:=[^`]*)?`", page.read_text("utf-8"))
        if found.partition(".")[0] in sections
    }
    assert len(named) > 30
    assert {found for found in named if found[1] not in keys | in_summary} == set()


def test_evidence_that_the_tuning_guide_names_exists() -> None:
    """Fields of the summary and columns of the shard table are what their code writes."""
    from compressor.pipeline import shard_table, summary

    text = (DOCS / "tuning.md").read_text("utf-8")
    written = Path(summary.__file__).read_text("utf-8")
    fields = set(re.findall(r"`(\w+)` of the summary|`(\w+)` against `(\w+)` of the summary", text))
    names = {one for found in fields for one in found if one}
    assert len(names) >= 5
    assert {one for one in names if f'"{one}"' not in written} == set()
    for column in re.findall(r"`(\w+)` against `(\w+)` in the shards", text)[0]:
        assert column in shard_table.SCHEMA.names
    tasks = set(re.findall(r"task `(\w+)`", text))
    from compressor.evaluate.tasks.registry import TASKS

    assert tasks <= set(TASKS)
