import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForTokenClassification, AutoTokenizer

from compressor.engine import memory
from jobs.train import main


def arguments(base: Path, data: Path, folder: Path, *more: str) -> list[str]:
    return [
        f"data.path={data}",
        "data.heldout_passages=8",
        f"model.base={base}",
        "model.max_window_tokens=100",
        "training.batch_tokens=300",
        "training.epochs=1",
        "training.learning_rate=0.01",
        f"output.path={folder / 'model'}",
        f"output.work={folder / 'work'}",
        *more,
    ]


def test_the_finished_model_loads_as_any_other(base: Path, data: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, arguments(base, data, tmp_path, "training.members=[{seed: 3}, {epochs: 2}]")
    )
    assert done.exit_code == 0, done.output
    folder = tmp_path / "model"
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "keep"}
    assert not list(folder.glob("*.bin"))
    backend = json.loads((folder / "tokenizer.json").read_text())
    assert backend["truncation"] is None
    assert backend["padding"] is None
    assert "max_length" not in json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == 128
    model = AutoModelForTokenClassification.from_pretrained(folder)
    assert model.dtype == torch.float16
    encoded = tokenizer("The bridge over the river. " * 3, return_tensors="pt")
    assert model(**encoded).logits.shape == (1, encoded["input_ids"].shape[1], 1)
    lines = (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["runs"] == 2
    assert 0 <= json.loads(lines[-1])["auc_half"] <= 1


def test_more_files_are_all_trained_on(base: Path, data: Path, tmp_path: Path) -> None:
    plain = CliRunner().invoke(main, arguments(base, data, tmp_path / "plain"))
    before, held = [int(word) for word in plain.output.split() if word.isdigit()][:2]
    row = {"id": "more-1", "domain": "docs", "text": "One more text.", "half": "more text."}
    (tmp_path / "more.jsonl").write_text(
        json.dumps({**row, "quarter": "text."}) + "\n" + data.read_text().splitlines()[0]
    )
    also = f"data.also=[{tmp_path / 'more.jsonl'}]"
    done = CliRunner().invoke(main, arguments(base, data, tmp_path / "also", also))
    assert done.exit_code == 0, done.output
    assert f"{before + 1} passages" in done.output or f"{before + 2} passages" in done.output
    assert f"{held} held out" in done.output


def test_a_finished_job_run_again_writes_the_same_weights(
    base: Path, data: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        done = CliRunner().invoke(main, arguments(base, data, tmp_path))
        assert done.exit_code == 0, done.output
        weights = (tmp_path / "model" / "model.safetensors").read_bytes()
        (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    assert weights
    done = CliRunner().invoke(main, arguments(base, data, tmp_path))
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == weights


def test_two_classes_and_then_self_training(base: Path, data: Path, tmp_path: Path) -> None:
    """The paper's head; then a model of one logit that learns from it on texts without labels."""
    first = tmp_path / "first"
    done = CliRunner().invoke(
        main, arguments(base, data, first, "labels.loss=binary", "labels.smoothing=0.1")
    )
    assert done.exit_code == 0, done.output
    config = json.loads((first / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "drop", "1": "keep"}
    texts = [{"text": f"The bridge and the river number {n}."} for n in range(9)]
    pq.write_table(pa.Table.from_pylist(texts), tmp_path / "texts.parquet")
    settings = [
        f"labels.soft_models=[{first / 'model'}]",
        f"data.unlabelled=[{tmp_path / 'texts.parquet'}]",
        "labels.lift={number: 0.9}",
    ]
    done = CliRunner().invoke(main, arguments(base, data, tmp_path / "second", *settings))
    assert done.exit_code == 0, done.output
    assert "(9 without labels)" in done.output
    assert f"soft labels: {first / 'model'} reads" in done.output
    assert json.loads((tmp_path / "second" / "model" / "config.json").read_text())["id2label"] == {
        "0": "keep"
    }


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.path=missing.jsonl", "data.path: missing.jsonl: no such file"),
        ("data.heldout_passages=1000", "leaves none to train on"),
        ("model.base=/no/such/folder", "model.base: '/no/such/folder' can't be loaded"),
        ("training.epoch=2", "did you mean training.epochs"),
        ("training.members=[{batch_tokens: 20}]", "must hold one window"),
        ("training.members=[{sed: 1}]", "training.members.0.sed"),
        ("training.batch_tokens=20", "must hold one window"),
        ("output.path=null", "output.path"),
        ("training.workers=2", "training.slots: 1 can't be shared by training.workers=2"),
        ("output.work=nosuch://work", "output.work: nosuch://work"),
        ("labels.lift={numbr: 1}", "labels.lift.numbr"),
        ("data.unlabelled=[texts.jsonl]", "labels.soft_models: is required"),
        ("labels.soft_models=[/no/such/model]", "/no/such/model: no such directory"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    base: Path, data: Path, tmp_path: Path, override: str, says: str
) -> None:
    done = CliRunner().invoke(main, arguments(base, data, tmp_path, override))
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_lists_the_keys() -> None:
    done = CliRunner().invoke(main, ["--help"])
    assert done.exit_code == 0
    assert "training.learning_rate=0.00012" in done.output


def test_memory_setting_never_fails() -> None:
    assert memory.keep_freed_memory() in {True, False}
