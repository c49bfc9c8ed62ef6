"""Which checkpoints load, and what the others are told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from compressor import Compressor
from compressor.errors import InputError
from compressor.models.checkpoint import choose_device, choose_dtype, special_ids
from compressor.models.resolve import digest, resolve
from tests.engine.conftest import build_tokenizer

PUBLISHED = {
    "microsoft/llmlingua-2-xlm-roberta-large-meetingbank": "xlm-roberta",
    "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank": "bert",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_checkpoints_load_by_hub_id(
    checkpoint: Callable[..., Path],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hub's own cache layout, filled with the same architecture in small; no network."""
    commit = "0" * 40
    repository = tmp_path / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(checkpoint(PUBLISHED[name], 2), repository / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result = Compressor.from_pretrained(name).compress(["It works by hub id, offline."], 0.5)[0]
    assert result.text


@pytest.mark.parametrize(
    ("family", "ends"),
    [
        ("bert", ("[CLS]", "[SEP]")),
        ("xlm-roberta", ("<s>", "</s>")),
        ("roberta", ("<s>", "</s>")),
        ("modernbert", ("[CLS]", "[SEP]")),
    ],
)
def test_special_tokens_come_from_the_tokenizer(family: str, ends: tuple[str, str]) -> None:
    tokenizer = build_tokenizer(family)
    start, stop = tokenizer.convert_tokens_to_ids(list(ends))
    assert special_ids(tokenizer) == ((start,), (stop,))


def test_special_tokens_without_a_template() -> None:
    tokenizer = build_tokenizer("bert")
    tokenizer.backend_tokenizer.post_processor = None
    start, stop = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]"])
    assert special_ids(tokenizer) == ((start,), (stop,))


def copied(checkpoint: Callable[..., Path], to: Path) -> Path:
    return Path(shutil.copytree(checkpoint("bert", 2), to / "copy"))


def test_no_head_is_refused(tmp_path: Path) -> None:
    tokenizer = build_tokenizer("bert")
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"no trained token-classification head"):
        Compressor.from_pretrained(str(tmp_path))


def test_three_labels_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "a", "1": "b", "2": "c"}
    config["label2id"] = {"a": 0, "b": 1, "c": 2}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"3 labels; a compressor has 1 or 2"):
        Compressor.from_pretrained(str(folder))


def test_pickled_weights_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"safetensors"):
        Compressor.from_pretrained(str(folder))


def test_broken_weights_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"can't be loaded"):
        Compressor.from_pretrained(str(folder))


def test_no_tokenizer_is_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(InputError, match=r"tokenizer"):
        Compressor.from_pretrained(str(folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/folder", "no such directory"),
        ("./nothing/here/at/all", "no such directory"),
        ("somebody/some-model", "hub"),
        ("a name with blanks", "neither a directory nor a hub id"),
        ("s3://", "can't be read|no model files"),
        ("memory://nothing", "no model files|can't be read"),
    ],
)
def test_unknown_models(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Compressor.from_pretrained(name)
    assert "\n" not in str(caught.value)


def test_a_model_on_remote_storage(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setenv("COMPRESSOR_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.put(str(checkpoint("bert", 2)), "memory://models/mine", recursive=True)
    local = resolve("memory://models/mine")
    assert local == resolve("memory://models/mine")
    assert digest(local) == digest(checkpoint("bert", 2))
    assert Compressor.from_pretrained("memory://models/mine").compress(["one two three"])[0].text


def test_keep_label_is_found_by_its_name(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    text = ["The quick brown fox jumps over the lazy dog."]
    before = Compressor.from_pretrained(str(folder), dtype="float32").compress(text)[0]
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "keep", "1": "drop"}
    config["label2id"] = {"keep": 0, "drop": 1}
    (folder / "config.json").write_text(json.dumps(config))
    after = Compressor.from_pretrained(str(folder), dtype="float32").compress(text)[0]
    assert after.probabilities == pytest.approx(1 - before.probabilities, abs=1e-6)


def test_device_and_dtype_are_checked() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_dtype("float32", choose_device("cpu"))[0] == torch.float32
    with pytest.raises(ValueError, match="dtype"):
        choose_dtype("int3", choose_device("cpu"))
    with pytest.raises(ValueError, match="device"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA GPU"):
            choose_device("cuda")
