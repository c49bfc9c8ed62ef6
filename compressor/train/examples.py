"""Passages as numbers to train on: sub-word ids, each with a target and a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.distill.annotate import DROPPED, IN_QUARTER, Annotation, annotate
from compressor.train.config import LabelSection
from compressor.train.passages import Passage

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """One passage, or a window of it: arrays of equal length, without special sub-words.

    `ids`: int64, sub-word ids. `grades`: float32, the teacher's label (1.0 in `quarter`, 0.5 in
    `half` only, 0.0 dropped). `targets`: float32, what the model is to say. `weights`: float32,
    how much the sub-word counts in the loss.
    """

    ids: Ints
    grades: Floats
    targets: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> "Example":
        return Example(self.ids[part], self.grades[part], self.targets[part], self.weights[part])


def encode(passages: Sequence[Passage], tokenizer: Any, labels: LabelSection) -> list[Example]:
    """One example a passage, in order, however long; `tokenizer` is a fast one."""
    encoded = tokenizer(
        [passage.text for passage in passages],
        add_special_tokens=False,
        truncation=False,
        padding=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return [
        _example(passage, np.array(ids, np.int64), np.array(offsets, np.int64), labels)
        for passage, ids, offsets in zip(
            passages, encoded["input_ids"], encoded["offset_mapping"], strict=True
        )
    ]


def _example(passage: Passage, ids: Ints, offsets: Ints, labels: LabelSection) -> Example:
    annotation = annotate(passage.text, passage.half, passage.quarter)
    word = word_of_subword(annotation.spans, offsets.reshape(-1, 2)[:, 0])
    grades = annotation.labels[word] if len(annotation.labels) else np.zeros(len(ids), np.float32)
    half_only = (grades != DROPPED) & (grades != IN_QUARTER)
    targets = np.where(half_only, np.float32(labels.half), grades)
    return Example(ids, grades, targets, _weights(passage.text, annotation, word, labels))


def word_of_subword(spans: Ints, starts: Ints) -> Ints:
    """For each sub-word the last word that begins at or before its first character: int64 [n]."""
    return np.maximum(np.searchsorted(spans[:, 0], starts, side="right") - 1, 0)


def _weights(text: str, annotation: Annotation, word: Ints, labels: LabelSection) -> Floats:
    sizes = np.bincount(word, minlength=len(annotation.spans))
    is_mark = np.array([not text[start].isalnum() for start in annotation.spans[:, 0]], np.bool_)
    per_word = np.where(is_mark, labels.mark_weight, 1.0)
    per_word = per_word / np.maximum(sizes, 1) ** labels.word_weighting
    return per_word[word].astype(np.float32)


def cut(examples: Sequence[Example], size: int) -> list[Example]:
    """The same examples, those of more than `size` sub-words in pieces of at most that."""
    return [
        example[start : start + size]
        for example in examples
        for start in range(0, len(example), size)
    ]
