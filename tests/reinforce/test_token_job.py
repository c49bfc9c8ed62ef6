"""`task: tokens` as a whole with tiny models: files, kills, replicas, checkpoints, refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compressor import Compressor
from compressor.engine.document import build_batch
from compressor.engine.subwords import FastTokenizer
from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.run import run as run_evaluate
from compressor.models.checkpoint import load_checkpoint
from compressor.reinforce.job import run
from compressor.reinforce.tokens.policy import TokenPolicy
from compressor.schema import load
from tests.conftest import TEXTS
from tests.evaluate.questions import ROWS, write_lines
from tests.reinforce.conftest import make_shots
from tests.reinforce.runs import assert_same_run, config_of, rows, start_and_kill

FIGURES = {"reward", "spread", "tokens_rate", "target_rate", "entropy", "kl", "gradient_norm"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("passages")
    pairs = [
        {
            "id": shot.id,
            "text": shot.text,
            "question": shot.question,
            "answers": [f"shop number {n}"],
        }
        for n, shot in enumerate(make_shots(30))
    ]
    write_lines(folder / "pairs.jsonl", pairs)
    texts = [{"text": " ".join(TEXTS[n % 5 :] + TEXTS[: n % 5]) * (1 + n)} for n in range(8)]
    write_lines(folder / "texts.jsonl", texts)
    return folder


@pytest.fixture(scope="module")
def common(data: Path, tiny_model: Path, judge_folder: Path) -> list[str]:
    return [
        "task=tokens",
        f"passages.pairs=[{data / 'pairs.jsonl'}]",
        f"passages.texts=[{data / 'texts.jsonl'}]",
        "passages.passage_tokens=40",
        "passages.continuation_tokens=8",
        "passages.least_gain=0.001",
        "data.heldout=2",
        f"compressor.start={tiny_model}",
        "compressor.device=cpu",
        "compressor.repeats=3",
        f"reader.model={judge_folder}",
        "reader.device=cpu",
        "reader.dtype=float32",
        "training.questions=3",
        "training.steps=8",
        "training.evaluate_steps=4",
        "training.learning_rate=1e-3",
        "training.threads=1",
        "output.checkpoint_steps=2",
    ]


def settings(common: list[str], folder: Path, *more: str) -> list[str]:
    return [*common, f"output.path={folder}/model", f"output.work={folder}/work", *more]


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(common: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    said: list[str] = []
    result = run(config_of(settings(common, folder)), said.append)
    assert result["reward"] == max(row.get("heldout_reward", -9) for row in rows(folder))
    assert any(line.startswith("answers: ") and "2 held out" in line for line in said)
    assert any(line.startswith("continuations: ") and "2 held out" in line for line in said)
    return folder


def test_it_leaves_metrics_a_plot_and_a_checkpoint(whole: Path) -> None:
    found = rows(whole)
    assert [row["step"] for row in found] == list(range(9))
    assert set(found[1]) > FIGURES
    assert {"heldout_reward", "heldout_answer", "heldout_answer_0.2", "heldout_facts"} <= set(
        found[8]
    )
    assert found[1]["kl"] == pytest.approx(0, abs=1e-9)
    assert found[8]["kl"] > 0
    for row in found[1:]:
        assert row["tokens_rate"] <= row["target_rate"] + 1e-9
    assert (whole / "work" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_checkpoint_is_a_compressor(whole: Path, tmp_path: Path) -> None:
    tuned = Compressor.from_pretrained(str(whole / "model"), device="cpu", dtype="float32")
    (result,) = tuned.compress([TEXTS[0]], 0.5)
    assert 0 < result.compressed_tokens <= round(0.5 * result.original_tokens)
    questions = write_lines(tmp_path / "questions.jsonl", ROWS)
    outcome = run_evaluate(
        load(
            EvaluateConfig,
            None,
            [
                f"data.path={questions}",
                "evaluate.tasks=[survival]",
                f"evaluate.contenders=[ours, random, again={whole / 'model'}]",
                "evaluate.resamples=100",
                f"model.name={whole / 'model'}",
                f"output.path={tmp_path / 'evaluation'}",
            ],
        ),
        say=lambda _: None,
    )
    assert outcome is not None
    assert (tmp_path / "evaluation" / "results.json").exists()


def test_the_policy_s_chances_are_the_engine_s(tiny_model: Path) -> None:
    """Texts of several windows, too."""
    start = load_checkpoint(tiny_model, "tiny", device="cpu", dtype="float32")
    policy, tokenizer = TokenPolicy(start.model, start.form), FastTokenizer(start.tokenizer)
    texts = [TEXTS[0], " ".join(TEXTS * 12), "", "a" * 90, TEXTS[1]]
    with torch.no_grad():
        chances = policy(build_batch(texts, tokenizer)).numpy()
    engine = Compressor.from_pretrained(str(tiny_model), device="cpu", dtype="float32")
    wanted = np.concatenate([one.probabilities for one in engine.compress(texts, 0.5)])
    pieces = build_batch(texts, tokenizer).whole
    shared = np.bincount(pieces, wanted) / np.maximum(1, np.bincount(pieces))
    np.testing.assert_allclose(chances, shared[pieces], atol=1e-5)


def test_what_is_not_trained_stays_the_same_compressor(
    common: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    more = ["training.steps=1", "training.learning_rate=1e-12", "passages.texts=[]"]
    run(config_of(settings(common, tmp_path, *more)), lambda _: None)
    before, after = (
        Compressor.from_pretrained(str(folder), device="cpu", dtype="float32").compress(TEXTS, 0.4)
        for folder in (tiny_model, tmp_path / "model")
    )
    for one, other in zip(before, after, strict=True):
        assert one.original_tokens == other.original_tokens
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-3)  # float16


def test_killed_and_started_again_it_gives_the_same_bits(
    whole: Path, common: list[str], tmp_path: Path
) -> None:
    overrides = settings(common, tmp_path)
    start_and_kill(overrides, tmp_path)
    said: list[str] = []
    run(config_of(overrides), said.append)
    assert [line for line in said if "going on after step" in line]
    assert not [line for line in said if "the judge reads passages" in line]  # it had them
    assert_same_run(whole, tmp_path)
    assert weights(whole) == weights(tmp_path)


def test_replicas_judge_as_one_process_does(
    whole: Path, common: list[str], tmp_path: Path, ray_session: None
) -> None:
    more = ["cluster.replicas=2", "cluster.cpus_per_replica=1"]
    run(config_of(settings(common, tmp_path, *more)), lambda _: None)
    for one, other in zip(rows(whole), rows(tmp_path), strict=True):
        assert one.get("reward", 0) == pytest.approx(other.get("reward", 0), abs=1e-4)


def test_other_settings_don_t_go_on_from_a_checkpoint(whole: Path, common: list[str]) -> None:
    with pytest.raises(InputError, match=r"made with compressor\.leash=0\.3, not 0\.7"):
        run(config_of(settings(common, whole, "compressor.leash=0.7")), lambda _: None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["passages.pairs=[]", "passages.texts=[]"], r"passages\.pairs: is required"),
        (["passages.pairs=[missing.jsonl]"], r"passages\.pairs: .*missing\.jsonl: no such file"),
        (["passages.text_column=body"], r"passages\.pairs: .*:1: no field 'body'"),
        (["data.heldout=30"], r"passages\.pairs: \d+ passages, of which data\.heldout=30"),
        (["passages.least_gain=1000"], r"passages\.least_gain leaves too little: answers"),
        (["compressor.start=./missing"], r"missing: no such directory"),
        (["compressor.rates=[0]"], r"compressor\.rates"),
        (["compressor.repeats=1"], r"compressor\.repeats"),
        (["reader.model=./missing.gguf"], r"missing\.gguf: no such file"),
        (["reader.generate=true"], r"reader\.generate: task=tokens"),
        (["data.pool=[x.jsonl]"], r"data\.pool: is without effect with task=tokens"),
        (["episode.budget=512"], r"episode\.budget: is without effect with task=tokens"),
        (["task=shots", "data.pool=[x]"], r"compressor\.\w+: is without effect with task=shots"),
    ],
)
def test_bad_input_is_said_in_one_line(
    overrides: list[str], message: str, common: list[str], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(config_of(settings(common, tmp_path, *overrides)), lambda _: None)
    assert "\n" not in str(caught.value)
