from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from compressor.train.config import BaseSection, LabelSection
from compressor.train.examples import cut, encode, word_of_subword
from compressor.train.export import load_base
from compressor.train.passages import Passage


@pytest.fixture
def untruncated(base: Path) -> Any:
    return load_base(BaseSection(base=str(base), max_window_tokens=64), seed=0)[1]


def test_every_sub_word_takes_the_label_of_its_word(untruncated: PreTrainedTokenizerFast) -> None:
    passage = Passage("a", "docs", "Xyz the (bridge) 19", "xyz bridge 19", "19")
    (example,) = encode([passage], untruncated, LabelSection(half=0.6))
    pieces = untruncated.convert_ids_to_tokens(example.ids.tolist())
    assert pieces == ["x", "##y", "##z", "the", "(", "bridge", ")", "1", "##9"]
    assert example.grades.tolist() == [0.5, 0.5, 0.5, 0, 0, 0.5, 0, 1, 1]
    assert example.targets.tolist() == pytest.approx([0.6, 0.6, 0.6, 0, 0, 0.6, 0, 1, 1])
    assert example.weights.tolist() == [1] * 9


def test_lifted_facts_keep_the_order_of_the_teacher(
    untruncated: PreTrainedTokenizerFast,
) -> None:
    passage = Passage("a", "docs", "xyz 1 2 3 the", "xyz 2 3", "3")
    (example,) = encode([passage], untruncated, LabelSection(lift={"number": 0.8}))
    assert example.grades.tolist() == [0.5, 0.5, 0.5, 0, 0.5, 1, 0]
    assert example.targets.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.8, 0.9, 1, 0])


def test_weights_by_word_and_by_mark(untruncated: PreTrainedTokenizerFast) -> None:
    passage = Passage("a", "docs", "xyz, the", "", "")
    labels = LabelSection(word_weighting=1.0, mark_weight=0.5)
    (example,) = encode([passage], untruncated, labels)
    assert example.weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.5, 1])


def test_passages_longer_than_the_tokenizer_likes_stay_whole(
    untruncated: PreTrainedTokenizerFast, passages: list[Passage]
) -> None:
    examples = encode(passages, untruncated, LabelSection())
    assert min(len(example) for example in examples) > 16  # where the base's tokenizer cuts
    pieces = cut(examples, 10)
    assert max(len(piece) for piece in pieces) == 10
    assert (
        np.concatenate([p.ids for p in pieces]).tolist()
        == np.concatenate([e.ids for e in examples]).tolist()
    )


def test_word_of_subword_before_the_first_word() -> None:
    spans = np.array([[2, 4], [5, 9]])
    assert word_of_subword(spans, np.array([0, 2, 3, 5, 8])).tolist() == [0, 0, 0, 1, 1]
