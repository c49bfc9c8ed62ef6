"""What the evaluation's tests share: a tiny embedding model, and the job run in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.run import Outcome, run
from compressor.schema import load
from tests.engine.conftest import byte_bpe
from tests.evaluate.questions import ROWS, TRAINED_ON, write_lines

Run = Callable[..., tuple[Outcome, list[str]]]


@pytest.fixture(scope="session")
def encoder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT encoder of random weights."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    BertModel(AutoConfig.from_pretrained(tiny_model)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def target_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with another tokenizer, which stands for the target LLM's."""
    folder = tmp_path_factory.mktemp("target")
    byte_bpe(False, "<|start|>", "<|end|>", "<|pad|>", "<|unk|>").save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def settings_of(
    tiny_model: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """`section.key=value` for a small evaluation; the output's path is still to be given."""
    folder = tmp_path_factory.mktemp("questions")
    questions = write_lines(folder / "questions.jsonl", ROWS)
    trained_on = write_lines(folder / "trained_on.jsonl", TRAINED_ON)
    return [
        f"data.path={questions}",
        f"evaluate.exclude=[{trained_on}]",
        "evaluate.contenders=[ours, random, truncate, stopwords, tfidf]",
        "evaluate.resamples=500",
        f"model.name={tiny_model}",
        "model.dtype=float32",
        f"retrieval.model={encoder}",
    ]


@pytest.fixture(scope="session")
def evaluate(settings_of: list[str]) -> Run:
    """evaluate(output, *settings) -> the outcome and the lines that were said."""

    def call(output: Any, *settings: str) -> tuple[Outcome, list[str]]:
        said: list[str] = []
        overrides = [*settings_of, f"output.path={output}", *settings]
        return run(load(EvaluateConfig, None, overrides), say=said.append), said

    return call
