"""The configurations that come with the job."""

from pathlib import Path

import pytest

from compressor.schema import load
from compressor.train.config import TrainConfig
from compressor.train.job import run
from compressor.train.optimiser import learning_rate
from tests.train.conftest import make_passages, write_passages

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("train-*.yaml")), ids=lambda path: path.stem)
def test_each_recipe_is_valid(path: Path) -> None:
    config = load(TrainConfig, str(path))
    assert path.stem.removeprefix("train-") in config.output.path


@pytest.mark.parametrize("name", ["xlm-roberta-large", "mbert"])
def test_the_papers_recipes(name: str) -> None:
    config = load(TrainConfig, str(CONFIGS / f"train-{name}.yaml"))
    rates = {learning_rate(step, 100, config.training) for step in range(100)}
    assert rates == {1e-5}
    assert config.training.batch_tokens == 10 * 512
    assert (config.training.epochs, config.labels.loss) == (10, "binary")


def test_the_small_recipe_on_a_small_corpus(base: Path, tmp_path: Path) -> None:
    data = write_passages(tmp_path / "teacher.jsonl", make_passages(12))
    overrides = [
        f"data.path={data}",
        f"model.base={base}",
        f"output.path={tmp_path / 'model'}",
        f"output.work={tmp_path / 'work'}",
    ]
    config = load(TrainConfig, str(CONFIGS / "train-small.yaml"), overrides)
    said: list[str] = []
    run(config, said.append)
    assert "40 passages to train on, 20 held out" in said[1]
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert (tmp_path / "work" / "curves.png").read_bytes().startswith(b"\x89PNG")
