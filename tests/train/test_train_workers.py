"""Several workers: the same curve as one, from any storage, and after one of them was killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compressor.corpus.storage import Storage
from compressor.errors import InputError, JobError
from compressor.pipeline.resources import Node
from compressor.train.cluster import train_on_ray, worker_resources
from compressor.train.config import TrainConfig
from compressor.train.metrics import read_lines
from compressor.train.prepare import prepare
from compressor.train.runs import load, run_folder, train_runs
from compressor.train.state import finished_run
from compressor.train.task import Task
from compressor.train.world import World

SLOW = pytest.mark.slow  # a start of Ray Train takes about ten seconds


def make_config(base: Path, data: Path, **training: Any) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "data": {"path": str(data), "heldout_passages": 8},
            "model": {
                "base": str(base),
                "max_window_tokens": 100,
                "attention_dropout": 0.1,
                "device": "cpu",
            },
            "training": {
                "epochs": 2,
                "batch_tokens": 300,
                "learning_rate": 0.003,
                "precision": "float32",
                "slots": 2,
                "threads": 1,
                **training,
            },
            "output": {"path": "not-used", "work": "neither", "checkpoint_steps": 1},
        }
    )


def make_task(config: TrainConfig, work: Storage) -> Task:
    return prepare(config, load(config)[1], work, lambda _: None)[0]


def at(folder: Path) -> Storage:
    return Storage.at(str(folder), key="output.work")


def curve(work: Storage, key: str = "loss") -> list[float]:
    return [row[key] for row in read_lines(run_folder(work, 1)) if key in row]


def alone(config: TrainConfig, folder: Path) -> Storage:
    train_runs(config, make_task(config, at(folder)), work=at(folder), world=World())
    return at(folder)


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=SLOW)])
def test_two_workers_give_the_curve_of_one(
    precision: str, base: Path, data: Path, tmp_path: Path, ray_session: None
) -> None:
    """With dropout."""
    said: list[str] = []
    config = make_config(base, data, precision=precision)
    one, two = alone(config, tmp_path / "1"), at(tmp_path / "2")
    both = config.model_copy(update={"training": config.training.model_copy(update={"workers": 2})})
    train_on_ray(both, make_task(config, two), two, said.append)
    assert len(curve(one)) > 10
    assert np.std(curve(one)) > 0.01
    for key in ("loss", "heldout_loss", "auc_half", "score"):
        assert curve(two, key) == pytest.approx(curve(one, key), abs=1e-3), key
    assert len(said) == len(curve(two))
    for name, value in finished_run(run_folder(one, 1)).best.items():
        assert torch.allclose(value, finished_run(run_folder(two, 1)).best[name], atol=1e-2), name


def workers() -> list[int]:
    """The ids of the training processes of this test's own Ray."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    ours = {os.getpid()}
    for _ in range(3):  # this process, its raylet, the raylet's workers
        ours |= {int(pid) for pid, parent, *_ in rows if int(parent) in ours}
    return [int(row[0]) for row in rows if int(row[0]) in ours and "RayTrainWorker" in row[-1]]


@SLOW
def test_a_killed_worker_costs_the_steps_since_the_checkpoint(
    base: Path,
    data: Path,
    tmp_path: Path,
    ray_session: None,
    s3_options: dict[str, Any],
) -> None:
    config = make_config(base, data, workers=2, epochs=4)
    work = Storage("s3://training/work", s3_options, "output.work")
    filesystem, _ = work.open()
    filesystem.mkdir("training")
    task = make_task(config, work)
    killed: list[int] = []

    def kill() -> None:
        while len(curve(work)) < 4:
            time.sleep(0.1)
        killed.append(workers()[-1])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    said: list[str] = []
    train_on_ray(config, task, work, said.append)
    killer.join()
    assert killed
    resumed = [line for line in said if "going on after step" in line]
    assert len(resumed) == 1
    steps = [row["step"] for row in read_lines(run_folder(work, 1))]
    assert steps == list(range(1, len(steps) + 1))  # each trained step is there once
    assert 4 <= int(resumed[0].split()[-3]) < len(steps)
    whole = alone(config, tmp_path / "whole")
    assert curve(work) == pytest.approx(curve(whole), abs=1e-3)


@SLOW
def test_an_error_that_would_come_again_is_not_retried(
    base: Path, data: Path, tmp_path: Path, ray_session: None
) -> None:
    config = make_config(base, data, workers=2, learning_rate=1e30)
    said: list[str] = []
    with pytest.raises(JobError, match=r"the loss is nan at step \d+; lower training.learning"):
        train_on_ray(config, make_task(config, at(tmp_path)), at(tmp_path), said.append)
    assert not [line for line in said if "going on" in line]


@pytest.mark.parametrize(
    ("nodes", "training", "share"),
    [
        ([Node(4)], {"workers": 2}, (2, 0)),
        ([Node(4)], {"workers": 1}, (4, 0)),
        ([Node(2)], {"workers": 4, "slots": 4}, (0.5, 0)),
        ([Node(8), Node(4)], {"workers": 3, "slots": 3}, (4, 0)),
        ([Node(0), Node(16, 2)], {"workers": 2}, (8, 1)),
        ([Node(4, 1), Node(4, 1)], {"workers": 2}, (4, 1)),
        ([Node(4, 1), Node(4, 1)], {"workers": 2, "gpus_per_worker": 0}, (4, 0)),
    ],
)
def test_each_worker_gets_the_most_that_all_can_have(
    nodes: list[Node], training: dict[str, Any], share: tuple[float, int], base: Path, data: Path
) -> None:
    config = make_config(base, data, **training)
    section = config.model.model_copy(update={"device": "auto"})
    assert worker_resources(config.model_copy(update={"model": section}), nodes) == share


def test_too_few_gpus_are_said_before_the_start(base: Path, data: Path) -> None:
    config = make_config(base, data, workers=2, gpus_per_worker=1)
    with pytest.raises(InputError, match=r"model\.device is cpu"):
        worker_resources(config, [Node(4, 2)])
    section = config.model.model_copy(update={"device": "cuda"})
    config = config.model_copy(update={"model": section})
    with pytest.raises(InputError, match=r"training\.workers: 2 .* \(1 GPUs\) has room for 1"):
        worker_resources(config, [Node(4, 1)])


@SLOW
def test_the_command_trains_on_a_ray_of_its_own(base: Path, data: Path, tmp_path: Path) -> None:
    overrides = {
        "data.path": data,
        "data.heldout_passages": 8,
        "model.base": base,
        "model.max_window_tokens": 100,
        "training.batch_tokens": 300,
        "training.epochs": 1,
        "training.slots": 2,
        "training.workers": 2,
        "output.path": tmp_path / "model",
        "output.work": tmp_path / "work",
    }
    done = subprocess.run(
        [sys.executable, "-m", "jobs.train", *(f"{key}={v}" for key, v in overrides.items())],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "run run-1  epoch 1" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"model: {tmp_path / 'model'}")
    assert (tmp_path / "model" / "model.safetensors").exists()
