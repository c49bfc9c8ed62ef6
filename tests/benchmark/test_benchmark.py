import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForTokenClassification, AutoTokenizer

from compressor.benchmark import rayjob
from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contenders import Contender, Skipped
from compressor.benchmark.rounds import time_rounds
from compressor.benchmark.summary import markdown, summary
from compressor.benchmark.texts import load_texts
from compressor.benchmark.two_labels import write_two_label_copy
from compressor.errors import InputError
from jobs.benchmark import main

ROOT = Path(__file__).parents[2]


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


def test_rounds_alternate() -> None:
    calls: list[str] = []
    peers = [Contender(name, "", lambda _, name=name: calls.append(name)) for name in "ab"]  # type: ignore[misc]
    timings = time_rounds(peers, ["text"], tokens=10, rounds=2, say=lambda _: None)
    assert calls == ["a", "b", "a", "b", "b", "a"]  # a warm-up, forwards, backwards
    assert [len(timing.seconds) for timing in timings] == [2, 2]
    low, high = timings[0].range_of_tokens_per_second
    assert low <= timings[0].tokens_per_second <= high


def test_the_span_leaves_out_the_start_of_the_replicas(tmp_path: Path) -> None:
    (tmp_path / "_stats").mkdir()
    for name, end in (("a", 110.0), ("b", 130.0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (end, end))
    shards = pa.table({"file": ["a", "b"], "seconds": [8.0, 15.0]})
    pq.write_table(shards, tmp_path / "_stats" / "shards.parquet")
    assert rayjob._span(tmp_path) == pytest.approx(28.0)


def test_the_result_as_a_page() -> None:
    peers = [Contender("engine", "ours", len), Contender("slow", "theirs", len)]
    timings = time_rounds(peers, ["text"] * 3, tokens=30, rounds=1, say=lambda _: None)
    job = rayjob.JobTiming(20, 200, (12.0, 10.0, 11.0), (2.0, 4.0, 3.0))
    setup = {"texts": 3, "tokens": 30, "rate": 0.5, "model": "default", "rounds": 1}
    result = summary(timings, [Skipped("other", "not there")], job, setup)
    assert json.loads(json.dumps(result)) == result
    assert result["job"]["median_wall_seconds"] == 11.0
    assert result["job"]["tokens_per_second"] == pytest.approx(66.7)
    page = markdown(result)
    assert "| `engine` |" in page
    assert "Not measured: other: not there." in page
    assert "20 rows" in page


def test_the_job_benchmark(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    arguments = [
        f"model.name={tiny_model}",
        f"benchmark.output={tmp_path / 'out'}",
        "benchmark.passages=4",
        "benchmark.rounds=1",
        "benchmark.job=false",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "| `transformers-pipeline` |" in result.stdout
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    names = [entry["name"] for entry in written["contenders"]]
    assert names == ["engine", "engine-float32", "transformers-pipeline"]
    assert [peer["name"] for peer in written["skipped"]] == ["llmlingua-list", "llmlingua-single"]
    assert all(np.isfinite(entry["texts_per_second"]) for entry in written["contenders"])


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


@pytest.mark.slow
def test_the_whole_job_is_timed(tiny_model: Path, tmp_path: Path) -> None:
    config = BenchmarkConfig.model_validate(
        {"model": {"name": str(tiny_model)}, "benchmark": {"job_repeat": 3}}
    )
    monkey = pytest.MonkeyPatch()
    monkey.chdir(ROOT)
    try:
        timing = rayjob.time_job(
            config, ["some text to compress"] * 5, tokens=25, scratch=tmp_path, say=lambda _: None
        )
    finally:
        monkey.undo()
    assert timing.rows == 15
    assert timing.tokens_per_second > 0
    assert timing.span_seconds[0] < timing.wall_seconds[0]
