"""The task `shots`: contenders within their budgets, and the evaluation in one command."""

import json
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig, Filler
from compressor.evaluate.fewshot.contenders import FILLERS, Fillers
from compressor.evaluate.run import run
from compressor.prune.pruner import Pruner
from compressor.reinforce.shots import Shot
from compressor.schema import load
from tests.prune.conftest import counter_folder, policy_folder
from tests.reinforce.conftest import make_shots, write_shots

__all__ = ["counter_folder", "policy_folder"]  # fixtures

ASKED = [
    Shot("a", "Ada has 3 dogs and buys 4 more of them. How many dogs?", "3 + 4 = 7 dogs.\n#### 7"),
    Shot("b", "How many eggs are 5 eggs and 6 eggs?", "5 + 6 = 11 eggs.\n#### 11"),
]


def fillers_of(pruner: Pruner, compressor: Path, *, many: bool) -> Fillers:
    return Fillers(
        pruner,
        "digest",
        pruner.pool(make_shots(24)),
        candidates=10,
        compressor=str(compressor),
        device="cpu",
        seed=0,
        many=many,
    )


@pytest.fixture(scope="module")
def fillers(policy_folder: Path, tiny_model: Path) -> Fillers:
    return fillers_of(Pruner(str(policy_folder), device="cpu"), tiny_model, many=False)


def test_the_names_are_those_of_the_configuration() -> None:
    from typing import get_args

    assert list(FILLERS) == list(get_args(Filler))


@pytest.mark.parametrize("budget", [110, 200])
def test_all_fill_their_budget_and_none_exceeds_it(fillers: Fillers, budget: int) -> None:
    counter = fillers._counter
    prompts = {
        name: fillers.load(name).compress([shot.question for shot in ASKED], budget)
        for name in FILLERS
    }
    tokens = {name: counter.count(texts) for name, texts in prompts.items()}
    for name, counts in tokens.items():
        assert (counts <= budget).all(), name
    for name in ("pruned", "truncated", "compressed"):
        assert (tokens[name] >= budget - 12).all(), name
    for question, text in zip(ASKED, prompts["compressed"], strict=True):
        chosen = fillers._of_policy(question.question, budget)[1]
        assert len(chosen) > (budget > 150)
        assert len(text.split("\n\n")) == len(chosen)
    whole = {shot.text for shot in make_shots(24)}
    for name in ("random", "retrieval"):
        for text in prompts[name]:
            assert set(text.split("\n\n")) - {""} <= whole
    assert prompts["random"] != prompts["retrieval"]
    for question, text in zip(ASKED, prompts["truncated"], strict=True):
        nearest = fillers._nearest(question.question)
        assert "\n\n".join(shot.text for shot in nearest).startswith(text)
    assert [fillers.load(name).compress([ASKED[0].question], budget)[0] for name in FILLERS] == [
        prompts[name][0] for name in FILLERS
    ]


def test_a_pool_looked_at_once_gives_the_same_prompts(
    fillers: Fillers, policy_folder: Path, tiny_model: Path
) -> None:
    questions = [shot.question for shot in ASKED]
    pruner = Pruner(str(policy_folder), device="cpu")
    once = fillers_of(pruner, tiny_model, many=True)
    further = once.of("again", Pruner(str(policy_folder), device="cpu").sees_as(pruner), "digest")
    for name in FILLERS:
        assert once.load(name).identity == fillers.load(name).identity
        assert once.load(name).compress(questions, 110) == fillers.load(name).compress(
            questions, 110
        )
    assert further.compress(questions, 110) == once.load("pruned").compress(questions, 110)


def overrides(tmp_path: Path, policy: Path, reader: Path, model: Path) -> list[str]:
    posed = write_shots(tmp_path / "posed.jsonl", [*ASKED, make_shots(1)[0]])
    pool = write_shots(tmp_path / "pool.jsonl", make_shots(24))
    return [
        "evaluate.tasks=[shots]",
        "evaluate.resamples=200",
        f"shots.path={posed}",
        f"shots.pool=[{pool}]",
        f"shots.policy={policy}",
        "shots.budgets=[110, 200]",
        "shots.candidates=10",
        f"model.name={model}",
        "model.device=cpu",
        f"reader.model={reader}",
        "reader.dtype=float32",
        "reader.generate=true",
        "reader.max_new_tokens=4",
        f"output.path={tmp_path / 'out'}",
    ]


def test_one_command_evaluates_all(
    policy_folder: Path, counter_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    settings = overrides(tmp_path, policy_folder, counter_folder, tiny_model)
    said: list[str] = []
    outcome = run(load(EvaluateConfig, None, settings), said.append)
    (task,) = outcome.results["tasks"]
    assert (task["name"], task["items"]) == ("shots", 3)
    assert [metric["name"] for metric in task["metrics"]] == ["NLL", "exact match", "examples"]
    nll = task["metrics"][0]
    assert {(row["contender"], row["rate"]) for row in nll["rows"]} == {
        (name, budget) for name in FILLERS for budget in (110, 200)
    }
    assert all("p" in row for row in nll["rows"] if row["contender"] != "pruned")
    assert all(0.3 < row["achieved"] <= 1 for row in nll["rows"]), [
        (row["contender"], row["rate"], row["achieved"]) for row in nll["rows"]
    ]
    page = (tmp_path / "out" / "results.md").read_text()
    assert "| 200 | truncated |" in page
    json.loads((tmp_path / "out" / "results.json").read_text())
    # Its own example, and those that tell it anew, are not in the pool.
    assert any("3 problems" in line for line in said)
    again: list[str] = []
    assert run(load(EvaluateConfig, None, settings), again.append).results == outcome.results
    assert sum("stored" in line for line in again) == 11
    assert np.isfinite([row["value"] for row in nll["rows"]]).all()


def test_a_further_policy_is_a_contender(
    policy_folder: Path, counter_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    settings = overrides(tmp_path, policy_folder, counter_folder, tiny_model)
    more = [f"shots.policies=[again={policy_folder}]", "shots.budgets=[110]"]
    outcome = run(load(EvaluateConfig, None, [*settings, *more]), lambda _: None)
    found = {row["contender"]: row for row in outcome.results["tasks"][0]["metrics"][0]["rows"]}
    assert found["again"]["value"] == found["pruned"]["value"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("shots.policies=[pruned=x]", r"'pruned=x': a further policy is written"),
        ("shots.policy=missing", r"policy\.path: .*missing"),
        ("shots.pool=[]", r"shots\.pool: is required"),
        ("shots.path=missing.jsonl", r"shots\.path: .*missing\.jsonl"),
        ("evaluate.tasks=[shots, facts]", r"shots has budgets .*run of its own"),
        ("shots.contenders=[pruned, pruned]", r"names 'pruned' twice|names pruned twice"),
    ],
)
def test_what_is_wrong_is_said(
    override: str,
    message: str,
    policy_folder: Path,
    counter_folder: Path,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    settings = overrides(tmp_path, policy_folder, counter_folder, tiny_model)
    with pytest.raises(InputError, match=message):
        run(load(EvaluateConfig, None, [*settings, override]), lambda _: None)
