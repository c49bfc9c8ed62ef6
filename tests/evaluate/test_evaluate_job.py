"""The job: its figures follow from its items, it goes on where it was killed, it names mistakes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.markdown import markdown
from compressor.schema import describe, load
from tests.evaluate.conftest import Run
from tests.evaluate.questions import ROWS, write_lines

ROOT = Path(__file__).parents[2]
RATES = [0.5, 0.33, 0.2]
CONTENDERS = ["ours", "random", "truncate", "stopwords", "tfidf"]
CELLS = 3 * (1 + len(RATES) * len(CONTENDERS))


@pytest.fixture(scope="module")
def finished(
    evaluate: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The output of a whole run, and its results."""
    output = tmp_path_factory.mktemp("evaluation")
    evaluate(output)
    return output, json.loads((output / "results.json").read_text())


def test_every_cell_has_its_figures(finished: tuple[Path, dict[str, Any]]) -> None:
    _, results = finished
    assert results["contenders"] == CONTENDERS
    assert results["reference"] == "ours"
    assert [task["name"] for task in results["tasks"]] == ["survival", "facts", "retrieval"]
    assert [task["items"] for task in results["tasks"]] == [4, 5, 5]
    assert results["tasks"][2]["texts"] == 6  # searched among, though trained on
    for task in results["tasks"]:
        for metric in task["metrics"]:
            rows = {(row["contender"], row["rate"]): row for row in metric["rows"]}
            assert set(rows) == {(name, rate) for name in CONTENDERS for rate in RATES}
            if not metric["counted"]:
                continue
            for (name, rate), row in rows.items():
                assert row["achieved"] <= rate + 0.05
                assert row["low"] <= row["value"] + 1e-9
                assert row["value"] <= row["high"] + 1e-9
                assert ("p_holm" in row) == (name != "ours")
                if name != "ours":
                    base = rows["ours", rate]["value"]
                    assert row["difference"] == pytest.approx(row["value"] - base)
                    assert row["p_holm"] >= row["p"]


def test_the_figures_follow_from_the_items(finished: tuple[Path, dict[str, Any]]) -> None:
    output, results = finished
    items = pq.read_table(output / "items.parquet").to_pandas()
    facts = results["tasks"][1]
    number = next(metric for metric in facts["metrics"] if metric["name"] == "number")
    for row in number["rows"]:
        mine = items[
            (items.task == "facts")
            & (items.contender == row["contender"])
            & (items.rate == row["rate"])
        ]
        sums = mine.groupby("score")["value"].sum()
        assert row["value"] == pytest.approx(sums["number kept"] / sums["number there"])
    answers = items[(items.score == "answer") & (items.contender == "original")]
    assert list(answers["item"]) == ["crew", "corpus", "moon", "parquet"]
    texts = pq.read_table(output / "texts.parquet").to_pandas()
    ours = texts[(texts.task == "survival") & (texts.contender == "ours") & (texts.rate == 0.5)]
    assert list(ours["original"]) == [row["text"] for row in ROWS[:4]]
    assert all(len(row.compressed) < len(row.original) for row in ours.itertuples())


def test_the_page_and_the_plots_are_there(finished: tuple[Path, dict[str, Any]]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    output, results = finished
    page = (output / "results.md").read_text()
    assert page == markdown(results)
    assert page.count("| 0.33 | tfidf |") == 3
    assert "**" in page
    for name in ("survival", "facts", "retrieval"):
        assert (output / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (output / "plots" / f"{name}.svg").read_text()


def test_a_rerun_computes_only_what_is_missing(
    finished: tuple[Path, dict[str, Any]], evaluate: Run, tiny_model: Path
) -> None:
    output, results = finished
    outcome, said = evaluate(output)
    assert len([line for line in said if line.endswith("stored")]) == CELLS
    assert outcome.results == results
    (dropped,) = sorted((output / "_cells").glob("scores-*"))[:1]
    dropped.unlink()
    _, said = evaluate(output)
    assert len([line for line in said if line.endswith("stored")]) == CELLS - 1
    # The same weights under another name are the same cell; a further rate is not.
    settings = [f"evaluate.contenders=[mine={tiny_model}, random]", "evaluate.rates=[0.5, 0.4]"]
    outcome, said = evaluate(output, *settings, "evaluate.tasks=[survival]")
    assert len([line for line in said if line.endswith("stored")]) == 3
    assert outcome.results["contenders"] == ["mine", "random"]


def test_a_killed_run_goes_on_where_it_was(
    finished: tuple[Path, dict[str, Any]], evaluate: Run, settings_of: list[str], tmp_path: Path
) -> None:
    _, results = finished
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.evaluate", *settings_of, f"output.path={tmp_path}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    done = 0
    for line in process.stderr:
        done += " at " in line
        if done == 5:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert done == 5
    assert not (tmp_path / "results.json").exists()
    outcome, said = evaluate(tmp_path)
    stored = [line for line in said if line.endswith("stored")]
    assert 5 <= len(stored) < CELLS
    assert [metrics(task) for task in outcome.results["tasks"]] == [
        metrics(task) for task in results["tasks"]
    ]


def metrics(task: dict[str, Any]) -> Any:
    return task["metrics"]


def test_who_cannot_take_part_is_named(
    evaluate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    settings = ["evaluate.tasks=[survival]", "evaluate.rates=[0.5]"]
    outcome, said = evaluate(tmp_path, *settings, "evaluate.contenders=[random, llmlingua2]")
    assert outcome.results["contenders"] == ["random"]
    assert "llmlingua2" in outcome.results["left_out"]
    assert "`llmlingua2` is left out" in (tmp_path / "results.md").read_text()
    assert any(line.startswith("llmlingua2 is left out") for line in said)
    with pytest.raises(InputError, match=r"evaluate\.reference: llmlingua2 can't take part"):
        evaluate(
            tmp_path,
            *settings,
            "evaluate.contenders=[random, llmlingua2]",
            "evaluate.reference=llmlingua2",
        )


def test_facts_of_a_corpus_need_no_questions(evaluate: Run, tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "corpus.jsonl", [{"body": "On 3 May no 40 km"}, {"body": " "}])
    outcome, _ = evaluate(
        tmp_path / "out",
        "data.path=''",
        "evaluate.exclude=[]",
        "evaluate.tasks=[facts]",
        "evaluate.contenders=[truncate, random]",
        f"facts.path={corpus}",
        "facts.text_column=body",
    )
    assert outcome.results["tasks"][0]["items"] == 1


def test_results_may_lie_on_s3(evaluate: Run, s3_server: str, s3_options: dict[str, Any]) -> None:
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("evaluations")
    settings = [
        "evaluate.tasks=[survival]",
        "evaluate.contenders=[truncate]",
        *(f"output.storage_options.{name}={value}" for name, value in s3_options.items()),
    ]
    _, said = evaluate("s3://evaluations/first", *settings)
    assert not any(line.endswith("stored") for line in said)
    assert json.loads(storage.cat("evaluations/first/results.json"))["contenders"] == ["truncate"]
    assert "evaluations/first/plots/survival.png" in storage.find("evaluations/first")
    _, said = evaluate("s3://evaluations/first", *settings)
    assert len([line for line in said if line.endswith("stored")]) == 1 + len(RATES)


def test_the_seed_decides_the_random_words(evaluate: Run, tmp_path: Path) -> None:
    found: list[Any] = []
    for seed in (1, 1, 2):
        outcome, _ = evaluate(
            tmp_path / str(len(found)),
            f"evaluate.seed={seed}",
            "evaluate.tasks=[survival]",
            "evaluate.contenders=[random]",
        )
        texts = pq.read_table(tmp_path / str(len(found)) / "texts.parquet")
        found.append((texts["compressed"].to_pylist(), metrics(outcome.results["tasks"][0])))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("evaluate.contenders=[ourz]", "evaluate.contenders: 'ourz' is none; there are ours"),
        ("evaluate.contenders=[random=x]", "random is the name of another contender"),
        ("evaluate.contenders=[ours, ours=x]", "names ours twice"),
        ("evaluate.contenders=['a b=x']", "LABEL=CHECKPOINT"),
        ("evaluate.tasks=[reding]", "evaluate.tasks: 'reding' is none"),
        ("evaluate.rates=[0.5, 0.5]", "evaluate.rates: names 0.5 twice"),
        ("evaluate.rates=[0]", "evaluate.rates"),
        ("evaluate.reference=them", "evaluate.reference: 'them' is none of evaluate.contenders"),
        ("output.path=''", "output.path: is required"),
    ],
)
def test_a_wrong_configuration_is_named(setting: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason.replace(".", r"\.")):
        load(EvaluateConfig, None, ["output.path=x", setting])


def test_the_configuration_file_has_every_key_with_its_default() -> None:
    written = yaml.safe_load((ROOT / "configs" / "evaluate.yaml").read_text())
    for key, default, _ in describe(EvaluateConfig):
        section, _, name = key.partition(".")
        if key not in {"data.path", "output.path"}:
            assert written[section].pop(name) == default, key
    assert {name: set(rest) for name, rest in written.items() if rest} == {
        "data": {"path"},
        "output": {"path"},
    }


def test_scores_of_the_wrong_length_are_refused(tmp_path: Path) -> None:
    from compressor.corpus.storage import Storage
    from compressor.evaluate.budget import Budget
    from compressor.evaluate.cells import Cells, Original
    from compressor.evaluate.tasks.facts import Facts

    class Short(Facts):
        def score(self, compressed: Any) -> dict[str, Any]:
            return {"number": np.zeros(1)}

    cells = Cells(Storage.at(str(tmp_path), key="output.path"), Budget.load(None))
    with pytest.raises(ValueError, match="for 2 items"):
        cells.cell(Short(["a", "b"]), Original(), 1.0)
