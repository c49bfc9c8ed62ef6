"""The whole job on real Ray against a real server: rows, limits, faults, resuming."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.distill.chunk import Chunk, join
from compressor.distill.config import DistillConfig
from compressor.distill.job import run
from compressor.errors import InputError, JobError
from compressor.schema import load
from tests.distill.server import faulty, teacher

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november"
Job = Callable[..., dict[str, Any]]


def sentence(number: int) -> str:
    """Fourteen words and a number."""
    return f"{WORDS} {number}."


def corpus(folder: Path, texts: Sequence[str | None], files: int = 2, **columns: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    size = -(-len(texts) // files)
    for number in range(files):
        part = slice(number * size, (number + 1) * size)
        own = {name: values[part] for name, values in columns.items()}
        table = pa.table({"text": pa.array(texts[part], pa.string()), **own})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=5)
    return folder


@pytest.fixture(scope="session")
def distill(ray_session: None) -> Job:
    """Run the job in this process; gives its summary."""

    def call(source: Any, target: Any, url: str, *settings: str) -> dict[str, Any]:
        overrides = [
            f"input.path={source}",
            f"output.path={target}",
            f"teacher.base_url={url}",
            "teacher.model=small",
            "teacher.backoff=0.05",
            "cluster.rows_per_shard=5",
            *settings,
        ]
        return run(load(DistillConfig, None, overrides)).summary

    return call


def rows(target: Path) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = pq.read_table(target).to_pylist()
    return table


def test_a_corpus_becomes_a_dataset(tmp_path: Path, distill: Job) -> None:
    long = "  " + "\n\n".join(sentence(i) for i in range(30)) + "\n"
    texts = [sentence(i) for i in range(7)] + [long, None, "  ", sentence(0), "EMPTY " + WORDS]
    texts += ["SORRY " + WORDS, "POLICY " + WORDS, "LONGER", "TOOMUCH " + WORDS, "FILTER " + WORDS]
    texts += ["INVENT " + WORDS]
    names = [f"r{i}" for i in range(len(texts))]
    source = corpus(tmp_path / "in", texts, name=names, kind=["a", None] * 9)
    with teacher() as (model, url):
        summary = distill(
            source,
            tmp_path / "out",
            url,
            "distill.chunk_tokens=64",
            "input.id_column=name",
            "input.domain_column=kind",
        )
        assert set(model.asked.values()) == {1}  # each text once, the repeated one too
        assert model.bodies[0]["model"] == "small"
        assert model.bodies[0]["temperature"] == 0.3
    found = rows(tmp_path / "out")
    status = {row["id"]: row["status"] for row in found}
    assert status["r0/0"] == status["r10/0"] == "ok"
    assert [status[f"r{i}/0"] for i in (11, 12, 13, 14, 15, 16)] == [
        "malformed", "refused", "refused", "malformed", "error", "refused",
    ]  # fmt: skip
    assert not {"r8/0", "r9/0"} & status.keys()  # no text, no row
    assert (
        len(found) == len({row["id"] for row in found}) == sum(summary["rows_by_status"].values())
    )
    mine = sorted((r for r in found if r["record"] == "r7"), key=lambda row: row["chunk"])
    chunks = [Chunk(row["text"], row["separator"]) for row in mine]
    assert join(chunks) == long
    assert len(mine) > 3
    short = join(chunks, [row["half"] for row in mine])
    assert short.count("\n\n") == 29 - sum(c.text.count("\n\n") for c in chunks)
    for row in found:
        assert row["domain"] == ("a" if int(row["record"][1:]) % 2 == 0 else None)
        assert row["quarter"] is None
        if row["record"] == "r17":
            assert row["half"].endswith("zebra")
            assert row["variation_rate"] > 0
            assert not row["selected"]
        elif row["status"] == "ok":
            assert row["half"] == " ".join(row["text"].split()[::2])
            assert row["prompt_tokens"] == len(row["text"].split()) + 100
            assert row["error"] is None
            assert row["variation_rate"] == 0
            assert row["matching_rate"] == pytest.approx(0.5, abs=0.2)
        else:
            assert row["half"] is None
            assert row["error"]
            assert row["matching_rate"] is None
            assert not row["selected"]
    assert summary["selected"] == sum(row["selected"] for row in found) > 0
    assert summary == json.loads((tmp_path / "out/_stats/summary.json").read_text())
    assert summary["rate"]["half"] == pytest.approx(0.5, abs=0.1)
    report = json.loads((tmp_path / "out/_stats/quality.json").read_text())
    assert report["examples"]["selected"] == summary["selected"]
    page = (tmp_path / "out/_stats/quality.html").read_text()
    assert "zebra" in page
    assert "r17/0" in page
    schema = pq.read_table(tmp_path / "out").schema
    assert schema.field("chunk").type == pa.int32()
    assert schema.field("alignment_gap").type == pa.float32()
    assert not (tmp_path / "out/_tmp").exists()


def test_two_levels_and_row_numbers(tmp_path: Path, distill: Job) -> None:
    source = corpus(tmp_path / "in", [sentence(i) for i in range(12)] + ["CHATTY " + WORDS])
    with teacher(usage=False) as (_, url):
        setting = "teacher.instruction=two-level"
        summary = distill(source, tmp_path / "out", url, setting, "cluster.rows_per_shard=2")
    found = {row["id"]: row for row in rows(tmp_path / "out")}
    assert found["0.parquet#6/0"]["text"] == sentence(6)
    assert found["1.parquet#0/0"]["text"] == sentence(7)
    assert found["1.parquet#5/0"]["status"] == "malformed"
    row = found["1.parquet#3/0"]
    assert (row["half"], row["quarter"]) == tuple(
        " ".join(sentence(10).split()[::step]) for step in (2, 4)
    )
    assert row["prompt_tokens"] > 100  # estimated: the server didn't say
    assert row["completion_tokens"] > 0
    assert summary["levels"] == 2
    assert summary["rate"]["quarter"] < summary["rate"]["half"]


def test_nothing_is_asked_twice_and_a_finished_job_does_nothing(
    tmp_path: Path, distill: Job
) -> None:
    source = corpus(tmp_path / "in", [sentence(i) for i in range(10)])
    with teacher() as (model, url):
        first = distill(source, tmp_path / "out", url)
        again = distill(source, tmp_path / "out", url)
        assert again == first
        assert model.asked.total() == 10
        before = {path.name for path in (tmp_path / "out").glob("*.parquet")}
        corpus(tmp_path / "in", [sentence(i) for i in range(14)])  # the corpus has grown
        grown = distill(source, tmp_path / "out", url)
        assert model.asked.total() == 14
        assert grown["asked"] == 4
        assert len(rows(tmp_path / "out")) == 14
        assert not before & {path.name for path in (tmp_path / "out").glob("*.parquet")}
        with pytest.raises(InputError, match=r"output\.path: .*written with teacher\.model=small"):
            distill(source, tmp_path / "out", url, "teacher.model=other")
        (tmp_path / "out" / "part-00000-0123456789abcdef.txt").write_text("")
        with pytest.raises(InputError, match="is not of this job"):
            distill(source, tmp_path / "out", url)


def test_faults_are_survived_and_places_kept(tmp_path: Path, distill: Job) -> None:
    kinds = ["429", "500", "hang", "truncated", "reset", "cut", "html", None]
    seen: dict[str, int] = {}

    def fault(number: int, text: str) -> str | None:
        seen[text] = seen.get(text, -1) + 1
        return kinds[(seen[text] + len(text)) % len(kinds)] if seen[text] < 3 else None

    texts = [sentence(10**i) for i in range(8)]
    source = corpus(tmp_path / "in", [*texts, "STUCK " + WORDS])
    with (
        teacher(delay=0.02) as (model, up),
        faulty(up, lambda n, text: "500" if "STUCK" in text else fault(n, text), wait="0.2") as (
            _,
            url,
        ),
    ):
        settings = ["teacher.concurrency=3", "teacher.timeout=1", "teacher.attempts=4"]
        summary = distill(source, tmp_path / "out", url, *settings)
        assert summary["rows_by_status"] == {"ok": 8, "refused": 0, "malformed": 0, "error": 1}
        assert model.most_at_once <= 3
        (stuck,) = [row for row in rows(tmp_path / "out") if row["status"] == "error"]
        assert stuck["error"].startswith("given up after 4 attempts: 500: The server had an error")
        assert max(seen.values()) <= 3
    with teacher() as (model, url):  # what was given up is asked again, nothing else
        summary = distill(source, tmp_path / "out", url)
        assert dict(model.asked) == {"STUCK " + WORDS: 1}
        assert summary["rows_by_status"]["ok"] == 9


def test_a_cap_ends_the_asking_not_the_job(tmp_path: Path, distill: Job) -> None:
    source = corpus(tmp_path / "in", [sentence(i) for i in range(20)])
    prices = [
        "teacher.price_per_million_input_tokens=1000",
        "teacher.price_per_million_output_tokens=2000",
        "teacher.max_tokens=20",
        "teacher.concurrency=4",
    ]
    with teacher() as (model, url):
        summary = distill(source, tmp_path / "out", url, *prices, "teacher.max_cost=1.0")
        assert 0 < summary["cost"]["all_runs"] <= 1.0
        assert 0 < summary["not_asked"] < 20
        assert summary["stopped"].startswith("the cap is reached")
        done = len(rows(tmp_path / "out"))
        assert done == 20 - summary["not_asked"] == model.asked.total()
        more = distill(source, tmp_path / "out", url, *prices, "teacher.max_tokens_spent=100000")
        assert more["not_asked"] == 0
        assert len(rows(tmp_path / "out")) == 20 == model.asked.total()
        cost = more["cost"]
        assert cost["all_runs"] == pytest.approx(summary["cost"]["all_runs"] + cost["this_run"])


def test_what_no_request_can_mend_ends_the_job_at_once(tmp_path: Path, distill: Job) -> None:
    source = corpus(tmp_path / "in", [sentence(i) for i in range(40)])
    out = tmp_path / "out"
    with teacher() as (model, url):
        setting = ["teacher.model=nobody", "teacher.concurrency=2"]
        with pytest.raises(InputError, match=r"^teacher\.model: nobody: the teacher answers 404"):
            distill(source, out, url, *setting)
        assert model.asked.total() <= 4
        with faulty(url, lambda n, _: "500" if n >= 12 else None) as (proxy, broken):
            setting = ["teacher.attempts=1", "teacher.concurrency=4"]
            with pytest.raises(JobError, match=r"no answer to 8 chunks in a row.*12 chunks have"):
                distill(source, out, broken, *setting)
            assert proxy.requests < 30
        with (
            faulty(url, lambda n, _: "quota") as (_, broke),
            pytest.raises(InputError, match="no quota left"),
        ):
            distill(source, out, broke)
        assert distill(source, out, url)["rows_by_status"]["ok"] == 40
        assert model.asked.total() - model.asked[sentence(0)] <= 44
    with pytest.raises(InputError, match=r"^teacher\.base_url: .*: nobody answers there"):
        distill(source, tmp_path / "other", url)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the worker in /proc")
def test_a_worker_that_dies_is_replaced(tmp_path: Path, distill: Job) -> None:
    """Its shard is gone through again, and only what it hadn't stored is asked again."""
    source = corpus(tmp_path / "in", [sentence(i) for i in range(30)], files=1)
    with teacher(delay=0.1) as (model, url):
        killed = []

        def kill() -> None:
            while model.asked.total() < 8:
                time.sleep(0.02)
            for process in Path("/proc").glob("[0-9]*"):
                if (process / "cmdline").read_bytes().startswith(b"ray::ask"):
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(process.name)

        killer = threading.Thread(target=kill)
        killer.start()
        places = 4
        settings = [f"teacher.concurrency={places}", "cluster.rows_per_shard=20"]
        summary = distill(source, tmp_path / "out", url, *settings)
        killer.join()
        assert killed
        assert summary["rows_by_status"]["ok"] == 30
        assert 30 <= model.asked.total() <= 30 + places


def test_from_s3_to_s3(s3_options: dict[str, Any], distill: Job) -> None:
    import fsspec
    import yaml

    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("distill")
    with storage.open("distill/in/a.parquet", "wb") as file:
        pq.write_table(pa.table({"text": [sentence(i) for i in range(9)]}), file)
    options = yaml.safe_dump(s3_options, default_flow_style=True)
    sections = [f"{end}.storage_options={options}" for end in ("input", "output")]
    with teacher() as (model, url):
        for _ in range(2):
            summary = distill("s3://distill/in", "s3://distill/out", url, *sections)
            assert summary["rows"] == 9
        assert model.asked.total() == 9
    (first, *_) = sorted(storage.glob("distill/out/*.parquet"))
    table = pq.read_table(storage.open(first))
    assert table["id"][0].as_py() == "a.parquet#0/0"
    assert "secret" not in json.dumps(summary)
