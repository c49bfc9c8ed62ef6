"""The configurations that come with the job."""

from pathlib import Path

import pytest

from compressor.reinforce.config import ReinforceConfig
from compressor.schema import load

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("reinforce-*.yaml")), ids=lambda p: p.stem)
def test_each_recipe_is_valid(path: Path) -> None:
    config = load(ReinforceConfig, str(path))
    assert config.task == "shots"
    assert path.stem.removeprefix("reinforce-") in config.output.path
    assert config.data.exclude  # what is evaluated on is never learnt from
    # A question's samples are judged in one batch: 170 tokens for the question and its solution.
    tokens = config.episode.repeats * (config.episode.budget + 170)
    assert tokens <= 1.1 * config.reader.max_batch_tokens


def test_the_papers_budget() -> None:
    config = load(ReinforceConfig, str(CONFIGS / "reinforce-shots.yaml"))
    assert config.episode.budget == 2048
    assert config.episode.candidates >= 32
    assert 5 <= config.episode.repeats <= 10
