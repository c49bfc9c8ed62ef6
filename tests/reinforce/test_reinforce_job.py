"""The whole job with tiny models: its files, killed and resumed, with replicas, and refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.reinforce.job import run
from compressor.reinforce.saved import load_policy
from compressor.train import checkpoint
from tests.reinforce.conftest import make_shots, write_shots
from tests.reinforce.runs import assert_same_run, config_of, rows, start_and_kill

FIGURES = {
    *("reward", "loss", "right", "worth_spread", "budget_factor", "tokens", "shots", "words_kept"),
    *("shot_entropy", "word_entropy", "shot_kl", "word_kl", "gradient_norm", "difficulty"),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shots(tmp_path_factory.mktemp("pool") / "pool.jsonl", make_shots(40))


@pytest.fixture(scope="module")
def common(pool: Path, tiny_model: Path, judge_folder: Path) -> list[str]:
    return [
        f"data.pool=[{pool}]",
        "data.heldout=3",
        f"policy.encoder={tiny_model}",
        f"policy.compressor={tiny_model}",
        "policy.device=cpu",
        f"reader.model={judge_folder}",
        "reader.device=cpu",
        "reader.dtype=float32",
        "episode.budget=150",
        "episode.candidates=5",
        "episode.repeats=3",
        "episode.unjudged=4",
        "training.questions=2",
        "training.steps=8",
        "training.evaluate_steps=4",
        "training.threads=1",
        "output.checkpoint_steps=2",
    ]


def settings(common: list[str], folder: Path, *more: str) -> list[str]:
    return [*common, f"output.path={folder}/policy", f"output.work={folder}/work", *more]


def weights(folder: Path) -> bytes:
    return (folder / "policy" / "policy.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(common: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    said: list[str] = []
    result = run(config_of(settings(common, folder)), said.append)
    assert result["threshold"] in {0.3, 0.5, 0.7}
    assert any("problems posed, 3 held out" in line for line in said)
    return folder


def test_it_leaves_metrics_a_plot_and_a_policy(whole: Path, tiny_model: Path) -> None:
    found = rows(whole)
    assert [row["step"] for row in found] == list(range(9))
    assert set(found[1]) > FIGURES
    assert {"heldout_reward", "heldout_loss", "heldout_tokens"} <= set(found[8])
    assert all(row["heldout_tokens"] <= 150 for row in found if "heldout_tokens" in row)
    assert found[1]["word_kl"] == pytest.approx(0, abs=1e-6)
    assert found[8]["word_kl"] > 0
    # The pool is posed from easy to hard.
    assert np.mean([row["difficulty"] for row in found[1:4]]) < np.mean(
        [row["difficulty"] for row in found[6:]]
    )
    assert (whole / "work" / "curves.png").read_bytes().startswith(b"\x89PNG")
    _, about = load_policy(str(whole / "policy"), key="policy.path")
    assert about.encoder == str(tiny_model)
    assert set(about.metrics) >= {"reward", "loss"}
    state = checkpoint.load(Storage.at(str(whole / "work"), key="output.work"))
    assert state is not None
    assert (state["policy"]["word_features.weight"] != torch.tensor([[-2.0, 1.0, 0.0]])).all()


def test_killed_and_started_again_it_gives_the_same_bits(
    whole: Path, common: list[str], tmp_path: Path
) -> None:
    overrides = settings(common, tmp_path)
    start_and_kill(overrides, tmp_path)
    said: list[str] = []
    run(config_of(overrides), said.append)
    assert [line for line in said if "going on after step" in line]
    assert_same_run(whole, tmp_path)
    assert weights(whole) == weights(tmp_path)


def test_replicas_judge_as_one_process_does(
    whole: Path, common: list[str], tmp_path: Path, ray_session: None
) -> None:
    more = ["cluster.replicas=2", "cluster.cpus_per_replica=1"]
    run(config_of(settings(common, tmp_path, *more)), lambda _: None)
    for one, other in zip(rows(whole), rows(tmp_path), strict=True):
        assert one.get("reward", 0) == pytest.approx(other.get("reward", 0), abs=1e-4)
    assert len(weights(tmp_path)) == len(weights(whole))


def test_the_pool_remembered_and_problems_judged_together_give_the_same_figures(
    whole: Path, common: list[str], tmp_path: Path
) -> None:
    more = ["policy.remember=true", "cluster.questions_at_once=2"]
    run(config_of(settings(common, tmp_path, *more)), lambda _: None)
    for one, other in zip(rows(whole), rows(tmp_path), strict=True):
        assert one.get("reward", 0) == pytest.approx(other.get("reward", 0), abs=1e-4)


def test_a_time_limit_leaves_a_policy_and_can_be_raised(common: list[str], tmp_path: Path) -> None:
    overrides = settings(common, tmp_path)
    run(config_of([*overrides, "training.max_minutes=1e-6"]), lambda _: None)
    assert [row["step"] for row in rows(tmp_path)] == [0, 1]
    assert "heldout_reward" in rows(tmp_path)[1]
    load_policy(str(tmp_path / "policy"), key="policy.path")
    run(config_of(overrides), lambda _: None)
    assert [row["step"] for row in rows(tmp_path)] == list(range(9))


def test_its_own_answers_count_where_they_are_asked_for(
    whole: Path, common: list[str], tmp_path: Path
) -> None:
    more = ["reader.generate=true", "reader.max_new_tokens=4", "training.steps=2"]
    run(config_of(settings(common, tmp_path, *more, "policy.stages=[shots]")), lambda _: None)
    found = rows(tmp_path)
    assert [row["step"] for row in found] == [0, 1, 2]
    assert found[1]["words_kept"] == 1
    assert found[1]["word_entropy"] == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.pool=[]", r"data\.pool: is required"),
        ("data.pool=[missing.jsonl]", r"data\.pool: .*missing\.jsonl: no such file"),
        ("data.heldout=40", r"data\.heldout: 40 of 40 problems"),
        ("policy.encoder=./missing", r"missing: no such directory"),
        ("reader.model=./missing.gguf", r"missing\.gguf: no such file"),
        ("reader.likelihood=false", r"reader\.likelihood"),
        ("reader.base_url=http://localhost:1/v1", r"reward\.tokenizer: is required"),
        ("training.thresholds=[1.0]", r"training\.thresholds"),
        ("episode.repeats=1", r"episode\.repeats"),
        ("task=words", r"task: "),
    ],
)
def test_bad_input_is_said_in_one_line(
    override: str, message: str, common: list[str], tmp_path: Path
) -> None:
    more = ["reader.generate=true"] if override == "reader.likelihood=false" else []
    with pytest.raises(InputError, match=message) as caught:
        run(config_of(settings(common, tmp_path, override, *more)), lambda _: None)
    assert "\n" not in str(caught.value)


def test_other_settings_don_t_go_on_from_a_checkpoint(whole: Path, common: list[str]) -> None:
    with pytest.raises(InputError, match=r"made with episode\.budget=150, not 99"):
        run(config_of(settings(common, whole, "episode.budget=99")), lambda _: None)


def test_problems_of_an_evaluation_are_not_learnt_from(
    common: list[str], pool: Path, tmp_path: Path
) -> None:
    kept = write_shots(tmp_path / "test.jsonl", make_shots(40))
    with pytest.raises(InputError, match=r"data\.pool: data\.exclude leaves nothing of it"):
        run(config_of(settings(common, tmp_path, f"data.exclude=[{kept}]")), lambda _: None)
