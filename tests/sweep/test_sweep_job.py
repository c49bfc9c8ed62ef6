"""The job on real Parquet with a real model: its texts are the engine's, its figures evaluate's."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from compressor import Compressor
from compressor.engine.scorer import Scorer
from compressor.evaluate.facts import count_kept
from compressor.evaluate.survival import survival
from compressor.schema import load
from compressor.sweep.config import SweepConfig
from compressor.sweep.sweep import Sweep, run, sampled_texts
from jobs.sweep import main
from tests.conftest import TEXTS
from tests.evaluate.questions import ROWS, write_lines

RATES = [0.3, 0.5, 0.9]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    texts = [f"{TEXTS[n % 5]} It did not cost {n} euros in Berlin." for n in range(60)]
    for part in range(3):
        table = pa.table({"text": [*texts[part::3], None, " "], "more": ["And Rome too."] * 22})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=8)
    return folder


@pytest.fixture(scope="module")
def settings_of(corpus: Path, tiny_model: Path) -> list[str]:
    return [
        f"input.path={corpus}",
        f"model.name={tiny_model}",
        "model.dtype=float32",
        f"sweep.rates={RATES}",
        "sweep.rows=40",
        "sweep.resamples=200",
    ]


@pytest.fixture(scope="module")
def found(settings_of: list[str]) -> Sweep:
    return sweep(settings_of)


def sweep(settings: list[str], *more: str) -> Sweep:
    return run(load(SweepConfig, None, [*settings, *more]), say=lambda _: None)


def command(settings: list[str], *more: str) -> Result:
    return CliRunner().invoke(main, [*settings, *more])


def test_texts_and_figures_are_those_of_a_compression(
    found: Sweep, settings_of: list[str], tiny_model: Path
) -> None:
    texts = sampled_texts(load(SweepConfig, None, settings_of))
    assert 30 <= len(texts) <= 40
    assert found.records == len(texts)
    compressor = Compressor.from_pretrained(str(tiny_model), dtype="float32")
    for rate, row in zip(RATES, found.rows, strict=True):
        results = compressor.compress(texts, rate)
        assert row.rate == rate
        assert row.kept == sum(result.compressed_tokens for result in results)
        assert row.tokens == sum(result.original_tokens for result in results)
        facts = count_kept(texts, [result.text for result in results])
        for kind, name in (("number", "numbers"), ("name", "names"), ("negation", "negations")):
            kept, there = facts[kind].sum(0)
            assert row.figures[name].value == pytest.approx(kept / there)
            assert row.figures[name].counted == there
            assert row.figures[name].low <= kept / there <= row.figures[name].high
        least = [
            min(p for p, (a, _) in zip(r.probabilities, r.words, strict=True) if a in starts)
            for r in results
            if (starts := {start for start, _ in r.kept})
        ]
        assert row.figures["least likely kept"].value == pytest.approx(sum(least) / len(least))


def test_the_same_seed_gives_the_same_table(found: Sweep, settings_of: list[str]) -> None:
    assert sweep(settings_of) == found
    assert sweep(settings_of, "sweep.seed=1").rows != found.rows


def test_the_model_reads_the_sample_once(
    settings_of: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, score = [], Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda *args: calls.append(1) or score(*args))
    for rates in ("[0.5]", "0.1..0.9"):
        sweep(settings_of, f"sweep.rates={rates}")
    assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]
    assert len(calls) <= 4  # the sample, and no questions, twice


def test_answers_and_similarity(settings_of: list[str], encoder: Path, tmp_path: Path) -> None:
    questions = write_lines(tmp_path / "questions.jsonl", ROWS)
    more = f"data.path={questions}", f"sweep.encoder={encoder}", "sweep.rates=[0.5, 1.0]"
    half, whole = sweep(settings_of, *more).rows
    answered = [row for row in ROWS if row["id"] != "unanswered"]
    compressor = Compressor.from_pretrained(settings_of[1].partition("=")[2], dtype="float32")
    texts = [row["text"] for row in answered]
    kept = [result.text for result in compressor.compress(texts, 0.5)]
    expected = survival(texts, kept, [row["answers"] for row in answered])
    assert half.figures["answers"].value == pytest.approx(expected)
    assert whole.figures["answers"].value == 1
    assert whole.figures["similarity"].value == pytest.approx(1, abs=1e-5)
    assert half.figures["similarity"].value < whole.figures["similarity"].value
    assert "likeliest dropped" not in whole.figures


def test_long_records_are_not_compared(settings_of: list[str], encoder: Path) -> None:
    rows = sweep(settings_of, f"sweep.encoder={encoder}", "sweep.encoder_tokens=8").rows
    assert all("similarity" not in row.figures for row in rows)


def test_one_threshold_for_the_whole_corpus(settings_of: list[str]) -> None:
    row = sweep(settings_of, "compression.scope=corpus").rows[1]
    assert row.figures["achieved"].value == pytest.approx(0.5, abs=0.05)
    assert row.figures["achieved"].high - row.figures["achieved"].low > 0.01  # records differ


def test_several_columns_are_all_sampled(settings_of: list[str]) -> None:
    texts = sampled_texts(load(SweepConfig, None, [*settings_of, "input.text_column=[text, more]"]))
    assert "And Rome too." in texts


def test_the_command_prints_and_writes(settings_of: list[str], tmp_path: Path) -> None:
    result = command(settings_of, f"sweep.path={tmp_path}", "compression.target_tokens=9")
    assert result.exit_code == 0, result.stderr
    assert "compression.target_tokens is left aside" in result.stderr
    header, *table = result.stdout.splitlines()
    assert header.split()[:2] == ["rate", "tokens"]
    assert [line.split()[0].strip(">") or line.split()[1] for line in table[:3]] == [
        f"{rate:g}" for rate in RATES
    ]
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["recommendation"]["reason"] in result.stdout
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {float(row["rate"]) for row in rows} == set(RATES)
    written = {row["figure"]: float(row["value"]) for row in rows if row["rate"] == "0.3"}
    assert written["numbers"] == record["rows"][0]["figures"]["numbers"]["value"]
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert "numbers" in (tmp_path / "sweep.svg").read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["input.path=''"], "input.path: is required"),
        (["input.text_column=txt"], "did you mean 'text'"),
        (["sweep.rates=0.8..0.2"], "0.8..0.2"),
        (["sweep.rates=[0.5, 2]"], "sweep.rates"),
        (["data.path=missing.jsonl"], "data.path"),
        (["sweep.encoder=./none"], "./none"),
        (["compression.tokenizer=./none"], "none"),
    ],
)
def test_bad_input_is_one_line(settings_of: list[str], more: list[str], said: str) -> None:
    result = command(settings_of, *more)
    assert result.exit_code == 2
    assert len([line for line in result.stderr.splitlines() if line.startswith("error")]) == 1
    assert said in result.stderr


def test_a_corpus_without_text_is_refused(settings_of: list[str], tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [None, " "]}), tmp_path / "a.parquet")
    result = command(settings_of, f"input.path={tmp_path}")
    assert result.exit_code == 2
    assert "no sampled row has any text" in result.stderr
