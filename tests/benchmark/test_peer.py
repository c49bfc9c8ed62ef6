"""Against `llmlingua` itself, on the same weights: what it keeps must be what we find likelier.

Wants the extra `slow`, the environment variable COMPRESSOR_DATA (a folder with nq_open.jsonl.gz:
lines with a "text") and TIKTOKEN_CACHE_DIR (with tiktoken's cl100k_base).
"""

import gzip
import itertools
import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compressor import Compressor
from compressor.benchmark.two_labels import write_two_label_copy
from compressor.models.resolve import resolve

PASSAGES = 200
WORD_SEPARATOR, LABEL_SEPARATOR = "\t\t|\t\t", " "

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def texts() -> list[str]:
    folder = os.environ.get("COMPRESSOR_DATA")
    if not folder:
        pytest.skip("COMPRESSOR_DATA is not set")
    with gzip.open(Path(folder) / "nq_open.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in itertools.islice(lines, PASSAGES)]


def test_words_that_llmlingua_keeps_are_likelier_to_us(texts: list[str], tmp_path: Path) -> None:
    llmlingua = pytest.importorskip("llmlingua", reason="the extra `slow` is not installed")
    if not os.environ.get("TIKTOKEN_CACHE_DIR"):
        pytest.skip("TIKTOKEN_CACHE_DIR is not set, and llmlingua loads tiktoken's table")
    copy = write_two_label_copy(str(resolve("default")), tmp_path)
    peer = llmlingua.PromptCompressor(
        str(copy), device_map="cpu", use_llmlingua2=True, model_config={"trust_remote_code": False}
    )
    ours = Compressor.from_pretrained("default", dtype="float32").compress(texts, 0.5)
    areas, found, all_words = [], 0, 0
    for text, mine in zip(texts, ours, strict=True):
        labelled = peer.compress_prompt(
            [text],
            rate=0.5,
            return_word_label=True,
            word_sep=WORD_SEPARATOR,
            label_sep=LABEL_SEPARATOR,
        )["fn_labeled_original_prompt"].split(WORD_SEPARATOR)
        scored = list(_scored(text, labelled, mine.words, mine.probabilities))
        found, all_words = found + len(scored), all_words + len(labelled)
        areas.append(
            _area([p for p, keep in scored if keep], [p for p, keep in scored if not keep])
        )
    assert found >= 0.99 * all_words  # the rest are pieces that can't be found in the text
    print(f"AUC {np.mean(areas):.4f} over {len(texts)} passages, lowest {min(areas):.4f}")
    assert np.mean(areas) >= 0.99


def _scored(
    text: str, labelled: list[str], words: list[tuple[int, int]], probabilities: np.ndarray
) -> Iterator[tuple[float, bool]]:
    """Our probability at each word of llmlingua's, in order, with its label.

    Its words are lower-cased and lack accents; they are searched in the text made alike.
    """
    folded, origin = _folded(text)
    at_character = np.full(len(text), np.nan)
    for (start, end), probability in zip(words, probabilities, strict=True):
        at_character[start:end] = probability
    position = 0
    for entry in labelled:
        word, _, label = entry.rpartition(LABEL_SEPARATOR)
        start = folded.find(word, position)
        if start < 0 or start - position > 20:
            continue
        position = start + len(word)
        yield float(np.nanmean(at_character[origin[start:position]])), label == "1"


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in lower case without accents, and where each of its characters came from."""
    characters, origin = [], []
    for index, character in enumerate(text):
        for part in unicodedata.normalize("NFD", character.lower()):
            if unicodedata.category(part) != "Mn":
                characters.append(part)
                origin.append(index)
    return "".join(characters), origin


def _area(kept: list[float], dropped: list[float]) -> float:
    """Share of (kept, dropped) pairs in the right order; a tie is half a pair."""
    difference = np.array(kept)[:, None] - np.array(dropped)[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())
