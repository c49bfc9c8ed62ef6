import json
from pathlib import Path

import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.errors import InputError, JobError
from compressor.train.config import TrainConfig
from compressor.train.examples import cut, encode
from compressor.train.export import load_base, special_ids
from compressor.train.loop import train
from compressor.train.passages import split_heldout
from compressor.train.read import read_passages
from compressor.train.state import Run
from compressor.train.task import Task


def make_config(base: Path, data: Path, folder: Path, **training: object) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "data": {"path": str(data), "heldout_passages": 8},
            "model": {"base": str(base), "max_window_tokens": 100, "attention_dropout": 0.1},
            "training": {
                "seed": 5,
                "epochs": 3,
                "batch_tokens": 300,
                "learning_rate": 0.01,
                "long_share": 0.3,
                "precision": "float32",
                **training,
            },
            "output": {
                "path": str(folder / "model"),
                "work": str(folder / "work"),
                "checkpoint_steps": 4,
            },
        }
    )


def start(config: TrainConfig, folder: Path, stop_after: int | None = None) -> Run:
    """What the job does for one seed, in a process of its own: nothing is carried over."""
    model, tokenizer = load_base(config.model, seed=0)
    first, last, padding = special_ids(tokenizer)
    parts = split_heldout(read_passages(config.data.path), 8, seed=0)
    training, heldout = (cut(encode(part, tokenizer, config.labels), 100) for part in parts)
    task = Task(training, heldout, first, last, padding)
    torch.manual_seed(12345)  # what came before must not matter
    place = Storage.at(str(folder), key="output.work")
    return train(model, task, config, folder=place, stop_after=stop_after)


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_interrupted_and_resumed_equals_uninterrupted(
    base: Path, data: Path, tmp_path: Path, average_decay: float
) -> None:
    config = make_config(base, data, tmp_path, average_decay=average_decay)
    whole = start(config, tmp_path / "whole")
    assert whole.step > 15
    parts = tmp_path / "parts"
    for stop_after in (7, 6, None):  # 7 lies between two checkpoints, so steps are done again
        resumed = start(config, parts, stop_after)
    assert resumed.step == whole.step
    assert resumed.best_metrics == whole.best_metrics
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
        assert torch.equal(whole.best[name], resumed.best[name]), name
    logs = [
        [(row["epoch"], row["step"]) for row in map(json.loads, path.read_text().splitlines())]
        for path in (tmp_path / "whole" / "metrics.jsonl", parts / "metrics.jsonl")
    ]
    assert logs[0] == logs[1]


def test_it_learns(base: Path, data: Path, tmp_path: Path) -> None:
    config = make_config(base, data, tmp_path, epochs=8)
    metrics = start(config, tmp_path / "run").best_metrics
    assert metrics["auc_half"] > 0.85  # the same sentences come in training, so they can be learnt


def test_other_settings_do_not_go_on_from_a_checkpoint(
    base: Path, data: Path, tmp_path: Path
) -> None:
    start(make_config(base, data, tmp_path), tmp_path / "run", stop_after=4)
    with pytest.raises(InputError, match=r"training\.learning_rate=0\.01, not 0\.5"):
        start(make_config(base, data, tmp_path, learning_rate=0.5), tmp_path / "run")


def test_the_last_two_checkpoints_stay_and_either_will_do(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = make_config(base, data, tmp_path)
    whole = start(config, tmp_path / "whole")
    folder = tmp_path / "run"
    start(config, folder, stop_after=13)
    (folder / "_tmp").mkdir(exist_ok=True)
    (folder / "_tmp" / "1.part").write_bytes(b"what a killed writer leaves")
    before, last = sorted(folder.glob("step-*.pt"))
    assert (before.name, last.name) == ("step-0000008.pt", "step-0000012.pt")
    last.write_bytes(last.read_bytes()[:-1000])
    resumed = start(config, folder)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    for path in folder.glob("step-*.pt"):
        path.write_bytes(b"")
    with pytest.raises(JobError, match="no checkpoint can be read"):
        start(config, folder)


def test_a_loss_that_is_no_number_ends_the_run(base: Path, data: Path, tmp_path: Path) -> None:
    config = make_config(base, data, tmp_path, learning_rate=1e30)
    with pytest.raises(JobError, match="loss is"):
        start(config, tmp_path / "run")
