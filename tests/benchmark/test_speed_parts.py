"""What the benchmark computes and calls beside the clock: operations, products, parts, texts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForTokenClassification

from compressor import Compressor
from compressor.benchmark import architecture, products
from compressor.benchmark.distinct import distinct
from compressor.benchmark.flops import work_of
from compressor.benchmark.parts import PARTS, Stopwatch, by_part, prepared_for
from compressor.benchmark.plain_forward import load_plain_forward, padded
from compressor.engine.scorer import ModelInput
from compressor.models.checkpoint import load_checkpoint

TINY = architecture.Size("xlm-roberta", 2, 32, 2, 64, 1000, 514)
TEXTS = ["Some words to compress, one after the other.", "Fewer here.", "w " * 700]


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(architecture.ARCHITECTURES, "xlm-roberta-large", TINY)
        return architecture.write_random(
            "xlm-roberta-large", TEXTS * 5, tmp_path_factory.mktemp("random")
        )


@pytest.fixture(scope="module")
def engine(random_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(random_model), dtype="float32")


def test_a_random_checkpoint_is_one_of_xlm_roberta(random_model: Path) -> None:
    loaded = load_checkpoint(random_model, "random", device="cpu", dtype="float32")
    assert loaded.model.config.model_type == "xlm-roberta"
    assert (loaded.form.prefix, loaded.form.suffix, loaded.form.pad) == ((0,), (2,), 1)
    assert loaded.form.window == 510
    assert loaded.form.keep == 1
    assert "xlm-roberta-large" in random_model.name  # llmlingua goes by the name


def test_a_random_checkpoint_compresses(engine: Compressor) -> None:
    for result, text in zip(engine.compress(TEXTS, 0.5), TEXTS, strict=True):
        assert 0 < len(result.text) < len(text)


@pytest.mark.parametrize("length", [3, 64, 512])
def test_operations_are_those_that_torch_counts(random_model: Path, length: int) -> None:
    model = AutoModelForTokenClassification.from_pretrained(
        random_model, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.full((2, length), 5))
    expected = counter.get_total_flops()
    assert work_of(random_model).of(np.array([length, length])) == pytest.approx(expected)


def test_every_machine_has_a_rate_for_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(products.SIZES, "cpu", (64,))
    found = products.rates(torch.device("cpu"))
    assert found["float32"] > 0
    assert set(found) <= set(products.PRECISIONS)


def test_parts_are_all_of_the_engine(engine: Compressor) -> None:
    seconds, words = by_part(engine, TEXTS, 0.5)
    assert tuple(seconds) == PARTS
    assert all(part > 0 for part in seconds.values())
    assert words >= sum(len(result.words) for result in engine.compress(TEXTS))


def test_nested_times_are_counted_once() -> None:
    watch = Stopwatch()
    with watch.on("whole"), watch.on("outer"):
        for _ in range(2):
            with watch.on("inner"):
                sum(range(100_000))
    assert watch.seconds["inner"] > watch.seconds["outer"] > 0
    assert watch.seconds["inner"] > watch.seconds["whole"] > 0


def test_the_plain_forward_runs(random_model: Path) -> None:
    contender = load_plain_forward(
        str(random_model), device="cpu", dtype="float32", batch_tokens=600, compiled=False
    )
    assert contender.ready(TEXTS)() is None


@given(st.lists(st.integers(1, 20), max_size=30), st.integers(1, 200))
def test_padded_batches_hold_every_window_once(sizes: list[int], budget: int) -> None:
    form = ModelInput((0,), (2,), pad=1, window=20, keep=1)
    windows = [np.full(size, 10 + number) for number, size in enumerate(sizes)]
    found = []
    for ids, mask in padded(windows, form, budget):
        assert len(ids) == 1 or ids.numel() <= budget
        for row, solid in zip(ids, mask, strict=True):
            assert set(row[solid == 0].tolist()) <= {form.pad}
            found.append(row[solid == 1].tolist())
    expected = [[*form.prefix, *window.tolist(), *form.suffix] for window in windows]
    assert sorted(found) == sorted(expected)


@given(st.lists(st.text(max_size=5), unique=True, max_size=5), st.integers(0, 30))
def test_distinct_texts(texts: list[str], wanted: int) -> None:
    found = list(distinct(texts, wanted))
    assert found[: len(texts)] == texts[:wanted]
    assert len(found) == (wanted if texts else 0)


def test_repeated_texts_are_no_two_alike() -> None:
    assert len(set(distinct(["one", "two", "three"], 1000))) == 1000


def test_windows_are_the_engines(engine: Compressor) -> None:
    (chunk,) = prepared_for(engine, TEXTS)
    assert chunk.sizes.max() <= 510
    assert chunk.sizes.sum() == len(chunk.batch.subwords.ids)
