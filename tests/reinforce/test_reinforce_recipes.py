"""The configurations that come with the job."""

from pathlib import Path

import pytest

from compressor.evaluate.config import EvaluateConfig
from compressor.reinforce.config import ReinforceConfig
from compressor.schema import load

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = {path.stem: path for path in sorted(CONFIGS.glob("reinforce-*.yaml"))}


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_is_valid(name: str) -> None:
    config = load(ReinforceConfig, str(RECIPES[name]))
    assert config.task == name.split("-")[1]
    assert name.removeprefix("reinforce-") in config.output.path
    assert config.data.exclude  # what is evaluated on is never learnt from


@pytest.mark.parametrize("name", [name for name in RECIPES if "shots" in name])
def test_a_question_s_samples_are_judged_in_one_batch(name: str) -> None:
    config = load(ReinforceConfig, str(RECIPES[name]))
    # 170 tokens for the question and its solution.
    tokens = config.episode.repeats * (config.episode.budget + 170)
    assert tokens <= 1.1 * config.reader.max_batch_tokens


@pytest.mark.parametrize("name", [name for name in RECIPES if "tokens" in name])
def test_a_step_s_samples_are_judged_in_one_batch_at_the_rates_of_an_evaluation(name: str) -> None:
    config = load(ReinforceConfig, str(RECIPES[name]))
    section, passages = config.compressor, config.passages
    assert section.rates == load(EvaluateConfig, str(CONFIGS / "evaluate.yaml")).evaluate.rates
    mean = sum(section.rates) / len(section.rates) * passages.passage_tokens
    asked = passages.continuation_tokens + 20
    samples = section.repeats * config.cluster.questions_at_once
    assert samples * (mean + asked) <= 1.1 * config.reader.max_batch_tokens
    assert config.cluster.questions_at_once == config.training.questions


def test_the_papers_budget() -> None:
    config = load(ReinforceConfig, str(CONFIGS / "reinforce-shots.yaml"))
    assert config.episode.budget == 2048
    assert config.episode.candidates >= 32
    assert 5 <= config.episode.repeats <= 10
