"""Any encoder: the base of each family trains, ships, and is read by the engine."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from compressor import Compressor
from compressor.train.config import LabelSection, TrainConfig
from compressor.train.examples import encode, subwords
from compressor.train.job import run
from compressor.train.runs import load
from tests.engine.conftest import build_model, build_tokenizer
from tests.train.conftest import make_passages

FAMILIES = ["xlm-roberta", "roberta", "modernbert", "deberta-v2"]


def save_base(family: str, folder: Path) -> Path:
    tokenizer: Any
    if family == "deberta-v2":
        tokenizer = build_tokenizer("xlm-roberta")
        config: Any = transformers.DebertaV2Config(  # type: ignore[call-arg]
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            max_position_embeddings=64,
            pad_token_id=tokenizer.pad_token_id,
        )
        model = transformers.AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    else:
        tokenizer = build_tokenizer(family)
        model = build_model(family, tokenizer, 2).base_model
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_of_each_family(family: str, data: Path, tmp_path: Path) -> None:
    config = TrainConfig.model_validate(
        {
            "data": {"path": str(data), "heldout_passages": 8},
            "model": {"base": str(save_base(family, tmp_path / "base")), "dropout": 0.3},
            "labels": {"loss": "binary"},
            "training": {"batch_tokens": 600, "epochs": 1, "precision": "float32"},
            "output": {"path": str(tmp_path / "model"), "work": str(tmp_path / "work")},
        }
    )
    model, _ = load(config)
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert 0.3 in rates
    said: list[str] = []
    run(config, said.append)
    windows = [line for line in said if "max_window_tokens" in line]
    assert windows == (
        ["model.max_window_tokens: 62, as the base has 64 positions"]
        if family == "deberta-v2"
        else []
    )
    (result,) = Compressor.from_pretrained(str(tmp_path / "model")).compress(["Some words. " * 9])
    assert 0 < result.compressed_tokens <= result.original_tokens / 2


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "roberta", "modernbert"])
def test_sub_words_take_the_label_of_the_word_that_they_are_in(family: str) -> None:
    """Also where the tokenizer counts the blank before a word to the word."""
    tokenizer = build_tokenizer(family)
    passages = make_passages(1)
    for example, passage in zip(encode(passages, tokenizer, LabelSection()), passages, strict=True):
        ((_, offsets),) = subwords([passage.text], tokenizer)
        kept = {
            place
            for (start, end), grade in zip(offsets.tolist(), example.grades, strict=True)
            for place in range(start, end)
            if grade
        }
        assert passage.half is not None
        text = "".join(passage.text[place] for place in sorted(kept))
        assert "".join(text.split()) == passage.half.replace(" ", "")
