"""The engine and the job with Hugging Face `datasets`: the real package, a tiny model."""

from pathlib import Path
from typing import Any

import pytest

from compressor import Compressor
from tests.conftest import TEXTS

datasets = pytest.importorskip("datasets", reason="the package `datasets` is not installed")

ROWS = {"text": [*TEXTS, None], "label": [1, 2, 3, 4, 5, 6]}


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return datasets.Dataset.from_dict(ROWS)


def test_through_the_job_and_back(dataset: Any, compress: Any, tmp_path: Path) -> None:
    """Only data files are read: `_stats` has Parquet, too."""
    dataset.to_parquet(tmp_path / "corpus" / "part.parquet")
    compress(tmp_path / "corpus", tmp_path / "compressed", "compression.rate=0.4")
    back = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "compressed" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert back.select_columns(["text", "label"]).to_dict() == ROWS
    assert back["status"] == ["ok"] * 5 + ["empty"]
    assert sum(back["compressed_tokens"]) <= 0.45 * sum(back["original_tokens"])


def test_map_in_batches(dataset: Any, tiny_model: Path) -> None:
    engine = Compressor.from_pretrained(str(tiny_model), dtype="float32")

    def shorten(batch: dict[str, list[str]]) -> dict[str, list[Any]]:
        results = engine.compress(batch["text"], rate=0.4)
        return {
            "compressed_text": [result.text for result in results],
            "compressed_tokens": [result.compressed_tokens for result in results],
        }

    out = dataset.select(range(5)).map(shorten, batched=True, batch_size=2)
    expected = engine.compress(TEXTS, 0.4)
    assert out["compressed_text"] == [result.text for result in expected]
    assert out["label"] == [1, 2, 3, 4, 5]
