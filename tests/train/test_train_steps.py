"""What a run does besides learning: slots, evaluations, the best of them, an early end."""

from pathlib import Path
from typing import Any

import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.train.config import TrainConfig
from compressor.train.loop import train
from compressor.train.metrics import read_lines
from compressor.train.prepare import prepare
from compressor.train.runs import load
from compressor.train.state import Run


def start(
    base: Path, data: Path, folder: Path, *, dropout: float = 0.1, every: int = 1, **training: Any
) -> tuple[Run, list[dict[str, Any]]]:
    config = TrainConfig.model_validate(
        {
            "data": {"path": str(data), "heldout_passages": 8},
            "model": {"base": str(base), "max_window_tokens": 100, "dropout": dropout},
            "training": {
                "epochs": 2,
                "batch_tokens": 300,
                "learning_rate": 0.003,
                "precision": "float32",
                **training,
            },
            "output": {"path": "not-used", "work": "neither", "checkpoint_steps": every},
        }
    )
    place = Storage.at(str(folder), key="output.work")
    model, tokenizer = load(config)
    task, _ = prepare(config, tokenizer, place, lambda _: None)
    run = train(model, task, config, folder=place)
    return run, read_lines(place)


def losses(rows: list[dict[str, Any]]) -> list[float]:
    return [row["loss"] for row in rows]


def test_without_dropout_the_slots_change_nothing(base: Path, data: Path, tmp_path: Path) -> None:
    """More slots than a batch has windows, too: some are empty."""
    one, few, many = (
        losses(start(base, data, tmp_path / str(slots), dropout=0.0, slots=slots, epochs=1)[1])
        for slots in (1, 3, 16)
    )
    assert len(one) > 5
    assert few == pytest.approx(one, abs=1e-4)
    assert many == pytest.approx(one, abs=1e-4)


def test_with_dropout_each_slot_draws_its_own(base: Path, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = losses(start(base, data, tmp_path / "1", slots=2, epochs=1)[1])
    torch.manual_seed(2)
    again = losses(start(base, data, tmp_path / "2", slots=2, epochs=1)[1])
    other = losses(start(base, data, tmp_path / "3", slots=1, epochs=1)[1])
    reseeded = losses(start(base, data, tmp_path / "4", slots=2, epochs=1, seed=2)[1])
    assert one == again
    assert one != other
    assert one != reseeded


def test_evaluations_every_few_steps_and_at_the_end(base: Path, data: Path, tmp_path: Path) -> None:
    run, rows = start(base, data, tmp_path, evaluate_steps=4, best_by="loss", every=1000)
    evaluated = [row for row in rows if "heldout_loss" in row]
    last = rows[-1]["of"]
    assert [row["step"] for row in evaluated] == sorted({*range(4, last, 4), last})
    best = min(evaluated, key=lambda row: row["heldout_loss"])
    assert run.best_metrics["heldout_loss"] == best["heldout_loss"]


def test_a_run_whose_heldout_loss_rises_ends_early(base: Path, data: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"learning_rate": 0.3, "epochs": 20, "patience": 2}
    run, rows = start(base, data, tmp_path, every=1000, evaluate_steps=3, **settings)
    assert run.stopped
    assert run.step < rows[-1]["of"]
    trajectory = [row["heldout_loss"] for row in rows if "heldout_loss" in row]
    assert min(trajectory[:-2]) <= min(trajectory[-2:])
    assert min(trajectory[:-3], default=9) > min(trajectory[-3:]) or len(trajectory) == 3
    again, _ = start(base, data, tmp_path, every=1000, evaluate_steps=3, **settings)
    assert again.step == run.step  # it has ended


def test_a_constant_schedule(base: Path, data: Path, tmp_path: Path) -> None:
    run, _ = start(base, data, tmp_path, schedule="constant", warmup_share=0.0)
    assert {group["lr"] for group in run.optimiser.param_groups} == {0.003}
