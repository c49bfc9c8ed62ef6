"""The report of real outputs: what it says, what it must not, and that it follows from the data."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from compressor.corpus.storage import Storage
from compressor.report.write import report
from jobs.report import main
from tests.conftest import TEXTS
from tests.report.conftest import LONG, SECRET

Job = Callable[..., dict[str, Any]]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def page_of(target: Path, **options: Any) -> str:
    return report(Storage.at(str(target), key="output.path"), **options)


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "out"))


def test_the_job_ends_with_a_report(said: Result, done: Path) -> None:
    assert f"report      {done}/_stats/report.html" in said.stdout
    html = (done / "_stats" / "report.html").read_text(encoding="utf-8")
    summary = json.loads((done / "_stats" / "summary.json").read_text())
    assert f"{summary['original_tokens']:,} →" in html
    assert f'<span class="after">{summary["compressed_tokens"]:,}</span>' in html
    assert html == page_of(done)
    assert len(html.encode()) < 300_000


def test_it_needs_nothing_else(done: Path) -> None:
    html = page_of(done)
    assert "http" not in html
    assert not re.search(r'\ssrc=|url\((?!#)|@import|href="(?!#|data:)', html)
    assert "color-scheme: light dark" in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_whatever_comes_from_data_is_text(done: Path) -> None:
    html = page_of(done)
    assert html.count("<script") == 1
    assert "&lt;script&gt;" in re.sub("</?del>", "", html)
    assert "<i>" not in html.replace('<i style="width', "")
    assert "&lt;i&gt;" in html
    assert "\x1b" not in html
    assert "\\x1b]0;x\\x07" in re.sub("</?del>", "", html)


def test_no_secret_is_in_it(done: Path, copy: Path) -> None:
    assert SECRET not in (done / "_stats" / "report.html").read_text(encoding="utf-8")

    def leak(summary: dict[str, Any]) -> None:
        configuration = summary["configuration"]
        configuration["input"]["storage_options"] = {"secret": SECRET}
        configuration["input"]["path"] = f"s3://me:{SECRET}@bucket/in"
        summary["input"]["path"] = f"s3://me:{SECRET}@bucket/in"

    changed(copy / "_stats" / "summary.json", leak)
    html = page_of(copy)
    assert SECRET not in html
    assert "s3://…@bucket/in" in html


def test_an_output_on_s3(done: Path, s3_server: str) -> None:
    keys = {"key": "somebody", "secret": "s3-secret-of-somebody"}
    storage = fsspec.filesystem("s3", endpoint_url=s3_server, **keys)
    storage.mkdir("reported")
    storage.put(f"{done}/", "reported/out", recursive=True)
    storage.rm("reported/out/_stats/report.html")
    options = {"endpoint_url": s3_server, **keys}

    result = run(
        "s3://reported/out",
        *(f"output.storage_options.{name}={value}" for name, value in options.items()),
    )

    assert result.stdout == "report      s3://reported/out/_stats/report.html\n"
    html = storage.cat_file("reported/out/_stats/report.html").decode()
    assert not any(value in html for value in options.values())
    assert html.count("<article") == page_of(done).count("<article")


def test_failed_rows_and_notes_are_grouped(done: Path) -> None:
    html = page_of(done)
    section = html[html.index('id="failed"') : html.index('id="speed"')]
    rows = re.findall(r"<tr><td>(\d+)</td><td[^>]*>(\w+)</td><td[^>]*>([^<]*)</td>", section)
    assert ("2", "failed") in {(count, kind) for count, kind, _ in rows}
    assert any(kind == "noted" and "budget" in reason for _, kind, reason in rows)
    assert any("rate is 7.5" in reason or "rate is 8.5" in reason for _, _, reason in rows)
    assert 'data-kind="error"' in html


def test_long_texts_are_cut_off(done: Path) -> None:
    html = page_of(done)
    assert f"the first 3,000 of {len(LONG):,} characters" in html
    assert "3999" not in html


def test_replicas_and_reruns_show_the_same(
    corpus: Path, done: Path, copy: Path, tmp_path: Path, settings: list[str], compress: Job
) -> None:
    other = tmp_path / "other"
    compress(corpus, other, *settings, "cluster.replicas=2", "cluster.cpus_per_replica=1")
    for path in sorted(copy.glob("*.parquet"))[::2]:
        path.unlink()
    compress(corpus, copy, *settings)
    findings = [(path / "_stats" / "findings.json").read_bytes() for path in (done, other, copy)]
    assert len(set(findings)) == 1

    def shown(target: Path) -> str:
        html = page_of(target)
        return html[html.index('id="examples"') : html.index('id="lineage"')]

    assert shown(done) == shown(other) == shown(copy)


def test_an_output_of_an_earlier_version(copy: Path) -> None:
    (copy / "_stats" / "findings.json").unlink()
    shards = copy / "_stats" / "shards.parquet"
    pq.write_table(pq.read_table(shards).drop_columns(["finished", "replica"]), shards)
    changed(copy / "_stats" / "summary.json", lambda summary: summary.pop("ended"))

    html = page_of(copy)

    assert "Token percentiles, quality signals and reasons" in html
    assert "no shard of the last run has its times" in html
    assert "2 records failed" in html
    assert html.count('data-kind="random"') == 20
    assert 'id="quality"' not in html


def test_two_runs_against_each_other(
    corpus: Path, done: Path, tmp_path: Path, settings: list[str], compress: Job
) -> None:
    other = tmp_path / "other"
    compress(corpus, other, *settings, "compression.rate=0.3")

    result = run(done, "--against", other)

    assert result.exit_code == 0, result.output
    assert result.stdout.strip().endswith("_stats/comparison.html")
    html = (done / "_stats" / "comparison.html").read_text(encoding="utf-8")
    section = html[html.index('id="comparison"') : html.index('id="rates"')]
    assert re.search(r"compression.rate</th><td>0.5</td><td>0.3</td>", section)
    assert section.count('<div class="both">') == 20
    assert "points" in section
    assert str(other) in section


def test_similarity_by_an_embedding_model(done: Path, tiny_model: Path) -> None:
    html = page_of(done, embedding_model=str(tiny_model))
    assert re.search(r"Cosine of 6\d texts before and after, by .*: 0\.\d{3} on average", html)
    assert "names no model" not in html
    same = page_of(done, embedding_model=str(tiny_model))
    assert html == same


def test_no_rows(tmp_path: Path, compress: Job) -> None:
    source = tmp_path / "in"
    source.mkdir()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), source / "a.parquet")
    compress(source, tmp_path / "out")
    assert "No record has tokens." in page_of(tmp_path / "out")


def test_several_text_columns(tmp_path: Path, compress: Job) -> None:
    source = tmp_path / "in"
    source.mkdir()
    table = pa.table({"title": [["A title", "Another"], None], "body": [TEXTS[0], TEXTS[1]]})
    pq.write_table(table, source / "a.parquet")
    compress(source, tmp_path / "out", "input.text_column=[title, body]")
    html = page_of(tmp_path / "out")
    assert "row 0 · title" in html
    assert "row 1 · body" in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}"], "no _stats/summary.json there"),
        (["{tmp}/nothing"], "no _stats/summary.json there"),
        ([], "output.path: is required"),
        (["{done}", "--against", "{tmp}"], "--against: {tmp}: no _stats/summary.json there"),
        (["{done}", "--html", "{tmp}/no/folder.html"], "No such file"),
        (["{done}", "report.embedding_model={tmp}/model"], "{tmp}/model"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], message: str, done: Path, tmp_path: Path
) -> None:
    result = run(*(one.format(tmp=tmp_path, done=done) for one in arguments))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message.format(tmp=tmp_path, done=done) in result.stderr


def test_a_page_in_another_place(done: Path, tmp_path: Path) -> None:
    result = run(done, "--html", tmp_path / "page.html")
    assert result.stdout == f"report      {tmp_path / 'page.html'}\n"
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page_of(done)


def test_a_report_that_can_not_be_written_fails_no_job(copy: Path) -> None:
    from compressor.report.write import conclude

    target = Storage.at(str(copy), key="output.path")
    assert conclude(target).endswith("_stats/report.html")
    (copy / "_stats" / "findings.json").write_text("{")
    said = conclude(target)
    assert said.startswith("not written: ")
    assert f"compressor report {copy} tries again" in said
