"""The whole job, killed and started again, on disk and on S3."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest

from compressor.corpus.storage import Storage
from compressor.schema import load
from compressor.train import checkpoint
from compressor.train.config import TrainConfig
from compressor.train.job import run

ROOT = Path(__file__).parents[2]


def settings(base: Path, data: Path, folder: str, *more: str) -> list[str]:
    return [
        f"data.path={data}",
        "data.heldout_passages=8",
        f"model.base={base}",
        "model.max_window_tokens=100",
        "model.device=cpu",
        "training.batch_tokens=300",
        "training.epochs=6",
        "training.learning_rate=0.003",
        "training.threads=1",
        "output.checkpoint_steps=5",
        f"output.path={folder}/model",
        f"output.work={folder}/work",
        *more,
    ]


def steps(folder: Path) -> list[int]:
    path = folder / "work" / "run-1" / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_killed_and_started_again_it_gives_the_same_bits(
    base: Path, data: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(load(TrainConfig, None, settings(base, data, str(whole))), lambda _: None)
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.train", *settings(base, data, str(killed))],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    while not (killed / "work" / "run-1" / "metrics.jsonl").exists() or len(steps(killed)) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = steps(killed)[-1]
    assert reached < steps(whole)[-1]
    said: list[str] = []
    run(load(TrainConfig, None, settings(base, data, str(killed))), said.append)
    (resumed,) = (line for line in said if "going on after step" in line)
    # The line of a step is written before its checkpoint, so it may be one checkpoint behind.
    assert reached - 5 <= int(resumed.split()[-3]) <= reached + 5
    assert steps(killed) == steps(whole)
    states = [
        checkpoint.load(Storage.at(str(folder / "work" / "run-1"), key="output.work"))
        for folder in (whole, killed)
    ]
    assert states[0] is not None
    assert states[1] is not None
    for part in ("model", "best"):
        for name, value in states[0][part].items():
            assert value.equal(states[1][part][name]), name
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (whole, killed)]
    assert weights[0] == weights[1]


def test_work_and_model_on_s3(
    base: Path, data: Path, tmp_path: Path, s3_options: dict[str, Any]
) -> None:
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("trained")
    more = ["training.epochs=1", f"output.storage_options={json.dumps(s3_options)}"]
    config = load(TrainConfig, None, settings(base, data, "s3://trained", *more))
    said: list[str] = []
    result = run(config, said.append)
    run(config, said.append)  # a finished job
    assert [line for line in said if "going on after step" in line]
    names = {Path(name).name for name in storage.find("trained/model")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    kept = [name for name in storage.find("trained/work/run-1") if name.endswith(".pt")]
    assert len(kept) <= 2
    last = storage.cat_file("trained/work/metrics.jsonl").decode().splitlines()[-1]
    assert json.loads(last) == result


def break_off(folder: Storage) -> None:
    with folder.writer("step.pt") as file:
        file.write(b"x" * 6_000_000)  # a part of an upload is on its way
        raise RuntimeError("half-way")


def test_an_upload_that_breaks_leaves_no_file(s3_options: dict[str, Any], tmp_path: Path) -> None:
    fsspec.filesystem("s3", **s3_options).mkdir("broken")
    for url, options in (("s3://broken/work", s3_options), (str(tmp_path / "work"), {})):
        folder = Storage(url, options, "output.work")
        with pytest.raises(RuntimeError, match="half-way"):
            break_off(folder)
        assert [name for name in folder.names() if name != "_tmp"] == []
        with folder.writer("step.pt") as file:
            file.write(b"whole")
        assert folder.read("step.pt") == b"whole"
