"""The weights alone score as those that transformers loads, and doubt is left to transformers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from compressor.engine.forward.sequences import Sequences
from compressor.engine.forward.unpadded import UnpaddedForward
from compressor.models.bare import WEIGHTS, bare_model

CPU = torch.device("cpu")
SMALL = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "num_labels": 2,
}


def saved(folder: Path, family: str, **keys: Any) -> tuple[Any, Any]:
    """A model with random weights, in the folder; and its configuration."""
    from transformers import AutoConfig, AutoModelForTokenClassification

    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**SMALL, **keys})
    model = AutoModelForTokenClassification.from_config(config).eval()
    model.save_pretrained(folder)
    return model, config


def margins(model: Any) -> Any:
    lengths = np.array([3, 20, 9])
    ids = np.random.default_rng(0).integers(5, 60, int(lengths.sum()))
    return UnpaddedForward(model, keep=1).start(Sequences(ids, lengths), 8192)().values


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "camembert"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_scores_bit_by_bit(tmp_path: Path, family: str, dtype: torch.dtype) -> None:
    model, config = saved(tmp_path, family)
    bare = bare_model(tmp_path, config, dtype, CPU)
    assert bare is not None
    assert np.array_equal(margins(bare), margins(model.to(dtype)))


@pytest.mark.parametrize(
    ("family", "keys"), [("distilbert", {"dim": 32}), ("bert", {"hidden_act": "relu"})]
)
def test_what_our_forward_pass_does_not_know(
    tmp_path: Path, family: str, keys: dict[str, Any]
) -> None:
    _, config = saved(tmp_path, family, **keys)
    assert bare_model(tmp_path, config, torch.float32, CPU) is None


def test_a_gpu_takes_the_whole_model(tmp_path: Path) -> None:
    _, config = saved(tmp_path, "bert")
    assert bare_model(tmp_path, config, torch.float32, torch.device("cuda")) is None


@pytest.mark.parametrize("damage", ["no head", "other shape", "two files", "no file", "not one"])
def test_doubt_is_left_to_transformers(tmp_path: Path, damage: str) -> None:
    _, config = saved(tmp_path, "bert")
    path = tmp_path / WEIGHTS
    tensors = load_file(path)
    if damage == "no head":
        del tensors["classifier.weight"]
    if damage == "other shape":
        tensors["classifier.weight"] = torch.zeros(3, 32)
    save_file(tensors, path)
    if damage == "two files":
        save_file(tensors, tmp_path / "more.safetensors")
    if damage == "no file":
        path.unlink()
    if damage == "not one":
        path.write_bytes(b"nonsense")
    assert bare_model(tmp_path, config, torch.float32, CPU) is None


def test_the_model_class_is_not_imported(tiny_model: Path) -> None:
    """It takes longer than everything else that loading does."""
    code = (
        "import sys; from compressor import Compressor;"
        f"c = Compressor.from_pretrained({str(tiny_model)!r}, device='cpu', dtype='float32');"
        "assert c.compress(['some words to read'])[0].text;"
        "print(*(name for name in sys.modules if 'modeling_' in name))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "modeling_bert" not in told.stdout
