"""P(keep) against a plain transformers forward pass."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from compressor import Compressor
from compressor.engine.document import build_batch
from compressor.engine.windows import cut_windows
from tests.engine.conftest import CORPUS, FAMILIES

SPECIALS = {"bert": ("[CLS]", "[SEP]"), "modernbert": ("[CLS]", "[SEP]")}


def plain_pass(folder: Path, family: str, text: str) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Offsets and P(keep) of sub-words, by transformers alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    start, stop = SPECIALS.get(family, ("<s>", "</s>"))
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = tokenizer.convert_tokens_to_ids([start, stop])
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[ids[0], *encoding["input_ids"], ids[1]]])).logits
    kept = logits[0, 1:-1].sigmoid() if logits.shape[-1] == 1 else logits[0, 1:-1].softmax(-1)
    return encoding["offset_mapping"], kept[:, -1].numpy()


@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_a_plain_forward_pass(
    checkpoint: Callable[..., Path], family: str, labels: int
) -> None:
    folder = checkpoint(family, labels)
    engine = Compressor.from_pretrained(str(folder), dtype="float32")
    batch = [" ".join(CORPUS[:6]), CORPUS[0], *CORPUS[1:9], " ".join(CORPUS[2:4])]
    for text, result in zip(batch, engine.compress(batch), strict=True):
        offsets, probability = plain_pass(folder, family, text)
        assert result.original_tokens == len(offsets)
        for (start, end), ours in zip(result.words, result.probabilities, strict=True):
            solid = [(a + len(text[a:b]) - len(text[a:b].lstrip()), b) for a, b in offsets]
            touching = [at for at, (a, b) in enumerate(solid) if a < end and b > start and a < b]
            assert abs(ours - probability[touching].mean()) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_long_text_is_scored_window_by_window(checkpoint: Callable[..., Path], family: str) -> None:
    folder = checkpoint(family, 1)
    engine = Compressor.from_pretrained(str(folder), dtype="float32")
    text = " ".join(CORPUS[:3] * 40)
    batch = build_batch([text], engine._tokenizer)
    probability = engine.compress([text])[0].probabilities
    windows = cut_windows(batch, engine._scorer.form.window)
    assert engine._scorer.form.window == 510
    assert windows.first[0] == 0
    assert windows.last[-1] == len(batch.subwords.ids)
    assert (windows.first[1:] == windows.last[:-1]).all()
    assert (windows.last - windows.first).max() <= 510
    for first, last in zip(windows.first[1:], windows.last[:-1], strict=True):
        place = batch.subwords.end[last - 1] - 1
        assert text[place - 1] in ".?", "a window ends with a sentence"
        assert first == last
    piece = text[: batch.subwords.end[windows.last[0] - 1] - 1]
    alone = engine.compress([piece])[0]
    assert np.allclose(alone.probabilities, probability[: len(alone.words)], atol=1e-6)


def test_short_positions_make_short_windows(tmp_path: Path) -> None:
    from tests.engine.conftest import build_tokenizer

    tokenizer = build_tokenizer("bert")
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, num_labels=2,
    )  # fmt: skip
    transformers.BertForTokenClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    engine = Compressor.from_pretrained(str(tmp_path))
    assert engine.compress(["one two three. " * 100], 0.5)[0].text


def test_threads_share_a_compressor(engine: Compressor) -> None:
    batches = [[f"{text} {n}" for text in CORPUS[:9]] for n in range(6)]
    alone = [[result.text for result in engine.compress(batch, 0.4)] for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda batch: engine.compress(batch, 0.4), batches))
    assert [[result.text for result in results] for results in together] == alone


def test_bfloat16_agrees_roughly(checkpoint: Callable[..., Path]) -> None:
    folder = str(checkpoint("bert", 1))
    exact = Compressor.from_pretrained(folder, dtype="float32").compress(CORPUS)
    half = Compressor.from_pretrained(folder, dtype="bfloat16").compress(CORPUS)
    for one, other in zip(exact, half, strict=True):
        assert np.abs(one.probabilities - other.probabilities).mean() < 0.05
