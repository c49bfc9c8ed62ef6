import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForTokenClassification, AutoTokenizer

from compressor.benchmark import rayjob
from compressor.benchmark.apart import started, timed
from compressor.benchmark.contender import Contender, Sample, Skipped, plain
from compressor.benchmark.page import markdown
from compressor.benchmark.parts import PARTS
from compressor.benchmark.processes import Peaks
from compressor.benchmark.rounds import Entrant, time_rounds, warm_up
from compressor.benchmark.summary import job_data, machine, replicas_data, rounds_data
from compressor.benchmark.texts import load_texts
from compressor.benchmark.two_labels import write_two_label_copy
from compressor.errors import InputError, JobError
from jobs.benchmark import main


def test_texts_from_each_kind_of_file(tmp_path: Path) -> None:
    rows = [{"body": "one"}, {"body": " "}, {"body": "two"}, {"body": "three"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
        assert load_texts(str(tmp_path / name), "body", 2) == ["one", "two"]
    assert len(load_texts(None, "text", 7)) == 7


@pytest.mark.parametrize("content", ["{}\n", "no json\n", "[1]\n", "", '{"text": null}\n'])
def test_texts_that_cant_be_had(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"bad\.jsonl"):
        load_texts(str(tmp_path / "bad.jsonl"), "text", 1)
    with pytest.raises(InputError, match="no such file"):
        load_texts(str(tmp_path / "missing.jsonl"), "text", 1)
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no column 'text'; there are a"):
        load_texts(str(tmp_path / "a.parquet"), "text", 1)


def test_two_labels_give_the_probability_of_one_logit(tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = AutoModelForTokenClassification.from_pretrained(
        tiny_model, num_labels=1, ignore_mismatched_sizes=True
    )
    one.save_pretrained(tmp_path / "one")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.save_pretrained(tmp_path / "one")
    folder = write_two_label_copy(str(tmp_path / "one"), tmp_path)
    assert folder.name == "bert-base-multilingual-cased"
    two = AutoModelForTokenClassification.from_pretrained(folder)
    inputs = tokenizer("The quick brown fox", return_tensors="pt")
    with torch.no_grad():
        expected = torch.sigmoid(one(**inputs).logits[..., 0])
        found = torch.softmax(two(**inputs).logits, -1)[..., 1]
    assert torch.allclose(found, expected, atol=1e-6)


def entrant(name: str, calls: list[str]) -> Entrant:
    contender = plain(name, f"about {name}", lambda texts: calls.append(f"{name}{len(texts)}"))
    return Entrant(Here(contender), ["text"] * 3, tokens=30, warm_up=2)


class Here:
    """A contender in this process."""

    def __init__(self, contender: Contender) -> None:
        self.name, self.about, self._contender = contender.name, contender.about, contender

    def ready(self, texts: Sequence[str]) -> None:
        self._task = self._contender.ready(texts)

    def run(self) -> Sample:
        return timed(self._task)


def test_rounds_alternate() -> None:
    calls: list[str] = []
    entrants = [warm_up(entrant(name, calls)) for name in "ab"]
    timings = time_rounds(entrants, rounds=2, say=lambda _: None)
    assert calls == ["a2", "b2", "a3", "b3", "b3", "a3"]  # a warm-up, forwards, backwards
    assert [len(timing.seconds) for timing in timings] == [2, 2]
    low, high = timings[0].range_of_tokens_per_second
    assert low <= timings[0].tokens_per_second <= high
    assert timings[0].memory is not None
    assert timings[0].memory > 1e6


def fails() -> Contender:
    def run(texts: Sequence[str]) -> None:
        raise KeyError("mask")

    return plain("fails", "a peer that fails", run)


def test_what_fails_in_its_process_says_so_here() -> None:
    with started([fails]) as (runner,):
        assert not isinstance(runner, Skipped)
        runner.ready(["text"])
        with pytest.raises(RuntimeError, match="KeyError: 'mask'"):
            runner.run()
        with pytest.raises(JobError, match="process died"):
            runner.run()


def test_the_span_leaves_out_the_start_of_the_replicas(tmp_path: Path) -> None:
    shards = [{"file": "a", "seconds": 8.0}, {"file": "b", "seconds": 15.0}]
    for name, end in (("a", 110.0), ("b", 130.0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (end, end))
    assert rayjob._span(tmp_path, shards) == pytest.approx(28.0)


def test_the_result_as_a_page() -> None:
    entrants = [warm_up(entrant(name, [])) for name in ("engine", "slow")]
    timings = time_rounds(entrants, rounds=1, say=lambda _: None)
    run = rayjob.JobRun(20, 1, 200, 12.0, 4.0, 2.0, 3.0, Peaks(2**30, 2**31))
    runs = run, replace(run, wall=10.0, span=2.0), replace(run, wall=11.0)
    job = rayjob.JobTiming(runs, (100.0, 50.0, 50.0))
    setup = {
        "texts": 3, "tokens": 30, "rate": 0.5, "model": "default", "rounds": 1,
        "device": "cpu", "dtype": "bfloat16",
    }  # fmt: skip
    result = {
        "machine": machine(),
        "setup": setup,
        **rounds_data(timings, [Skipped("other", "not there")]),
        "job": job_data(job),
        "replicas": replicas_data([(1, 1.0, job), (2, 2.0, job)]),
        "curve": None,
        "startup": {"import Ray": 1.25},
    }
    assert json.loads(json.dumps(result)) == result
    assert result["job"]["median_wall_seconds"] == 11.0
    assert result["job"]["tokens_per_second"] == pytest.approx(50.0)
    assert result["job"]["share_of_engine"] == pytest.approx(1.0)  # of 0.5, 2 and 1
    assert [entry["efficiency"] for entry in result["replicas"]] == [1.0, 0.5]
    page = markdown(result)
    assert "| import Ray | 1.25 |" in page
    assert "(1.000 of the engine just before it)" in page
    assert "| `engine` |" in page
    assert "Not measured: other: not there." in page
    assert "20 rows" in page
    assert "of a replica 2,048 MiB" in page


def test_the_job_benchmark(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    names = [
        "limit", "forward", "engine-parts", "transformers-pipeline", "llmlingua-list",
    ]  # fmt: skip
    arguments = [
        f"model.name={tiny_model}",
        f"benchmark.output={tmp_path / 'out'}",
        "benchmark.passages=4",
        "benchmark.rounds=1",
        f"benchmark.contenders=[{', '.join(names)}]",
        "benchmark.job=false",
        "benchmark.startup=false",
        "benchmark.lengths=[1,20]",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "| `transformers-pipeline` |" in result.stdout
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    entries = {entry["name"]: entry for entry in written["contenders"]}
    skipped = {peer["name"] for peer in written["skipped"]}
    assert set(entries) == {"engine", *names} - skipped
    assert "llmlingua-list" in skipped
    assert all(np.isfinite(entry["texts_per_second"]) for entry in entries.values())
    assert all(entry["peak_memory"] > 1e6 for entry in entries.values())
    assert entries["limit"]["of_limit"] == entries["forward"]["of_forward"] == 1
    assert written["limit"]["operations_per_second"]["float32"] > 0
    assert written["parts"]["share"].keys() == set(PARTS)
    assert sum(written["parts"]["share"].values()) == pytest.approx(1)
    assert [entry["words"] for entry in written["lengths"]] == [1, 20]
    short, long = written["lengths"]
    assert short["records"] > 10 * long["records"]
    assert short["tokens"] == pytest.approx(long["tokens"], rel=0.1)
    assert "| 20 | " in result.stdout


def test_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for argument, said in (
        ("benchmark.contenders=[nothing]", "benchmark.contenders"),
        ("benchmark.texts=/none.parquet", "no such file"),
        (f"benchmark.output={tmp_path / 'file'}", "benchmark.output"),
    ):
        result = CliRunner().invoke(main, [f"benchmark.output={tmp_path / 'out'}", argument])
        assert result.exit_code == 2
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1
