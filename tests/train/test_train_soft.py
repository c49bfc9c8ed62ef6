"""Soft labels from real (tiny) checkpoints."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedTokenizerFast

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.train.config import BaseSection
from compressor.train.export import export, load_base
from compressor.train.soft import soft_labels

TEXTS = ["the bridge and the river " * 6, "sold 12 apples", "the battery."]


def make_model(base: Path, folder: Path, *, seed: int, classes: int) -> Path:
    model, tokenizer = load_base(
        BaseSection(base=str(base), max_window_tokens=100), seed=seed, classes=classes
    )
    torch.nn.init.normal_(model.classifier.weight)  # else its answers are all alike
    export(model, model.state_dict(), tokenizer, folder)
    return folder


def labels(
    models: list[Path], tokenizer: PreTrainedTokenizerFast, cache: Path, window: int = 100
) -> tuple[list[npt.NDArray[np.float32]], list[str]]:
    said: list[str] = []
    found = soft_labels(
        TEXTS,
        tokenizer,
        [str(model) for model in models],
        window=window,
        batch_tokens=200,
        precision=torch.float32,
        device="cpu",
        cache=Storage.at(str(cache), key="output.work"),
        say=said.append,
    )
    return found, said


def plain(folder: Path, text: str) -> list[float]:
    """P(keep) by transformers alone, the text by itself."""
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    encoded = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        logits = model(encoded["input_ids"]).logits[0, 1:-1]
    one = logits.shape[1] == 1
    return (torch.sigmoid(logits[:, 0]) if one else torch.softmax(logits, -1)[:, 1]).tolist()


def test_the_mean_of_what_the_models_say(base: Path, tmp_path: Path) -> None:
    models = [
        make_model(base, tmp_path / "one", seed=1, classes=1),
        make_model(base, tmp_path / "two", seed=2, classes=2),
    ]
    tokenizer = load_base(BaseSection(base=str(base), max_window_tokens=100), seed=0)[1]
    found, said = labels(models, tokenizer, tmp_path / "work")
    assert len(said) == 2
    for text, got in zip(TEXTS, found, strict=True):
        wanted = np.mean([plain(model, text) for model in models], axis=0)
        assert got.tolist() == pytest.approx(wanted.tolist(), abs=1e-4)
    assert np.concatenate(found).std() > 0.01
    again, said = labels(models, tokenizer, tmp_path / "work")  # nobody is asked twice
    assert said == []
    assert all(map(np.array_equal, found, again))
    fewer, said = labels(models[:1], tokenizer, tmp_path / "work")
    assert said == []
    assert not np.array_equal(fewer[0], found[0])


def test_another_tokenizer_or_shorter_windows_are_refused(
    base: Path, tiny_model: Path, tmp_path: Path
) -> None:
    tokenizer = load_base(BaseSection(base=str(base), max_window_tokens=100), seed=0)[1]
    with pytest.raises(InputError, match=r"labels\.soft_models: .* cuts texts into other"):
        labels([tiny_model], tokenizer, tmp_path / "work")
    model = make_model(base, tmp_path / "one", seed=1, classes=1)
    with pytest.raises(InputError, match="reads 126 sub-words at once"):
        labels([model], tokenizer, tmp_path / "work", window=127)
