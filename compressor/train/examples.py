"""Passages as numbers to train on: sub-word ids, each with a target and a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.distill.annotate import Annotation, annotate
from compressor.errors import InputError
from compressor.train.config import LabelSection
from compressor.train.labels import least_targets, teacher_targets
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

    @classmethod
    def of_ids(cls, ids: Ints) -> "Example":
        """Something to predict on: no targets."""
        nothing = np.zeros(len(ids), np.float32)
        return cls(ids, nothing, nothing, nothing)


def subwords(texts: Sequence[str], tokenizer: Any) -> list[tuple[Ints, Ints]]:
    """(ids int64 [n], character offsets int64 [n, 2]) of each text, however long, uncut."""
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        truncation=False,
        padding=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return [
        (np.array(ids, np.int64), np.array(offsets, np.int64).reshape(-1, 2))
        for ids, offsets in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]


def encode(
    passages: Sequence[Passage],
    tokenizer: Any,
    labels: LabelSection,
    soft: Sequence[Floats] | None = None,
) -> list[Example]:
    """One example a passage, in order, however long; `tokenizer` is a fast one.

    `soft`: for each passage P(keep) of every sub-word, mixed into the teacher's targets; for a
    passage without teacher's labels it is the target. Raises `InputError` where a passage lacks the
    level of compression that `labels` asks for.
    """
    pieces = subwords([passage.text for passage in passages], tokenizer)
    return [
        _example(passage, *piece, labels, None if soft is None else soft[number])
        for number, (passage, piece) in enumerate(zip(passages, pieces, strict=True))
    ]


def _example(
    passage: Passage, ids: Ints, offsets: Ints, labels: LabelSection, soft: Floats | None
) -> Example:
    annotation = _annotate(passage, labels)
    word = word_of_subword(annotation.spans, _solid_starts(passage.text, offsets))
    targets = teacher_targets(annotation.labels, labels)[word]
    if soft is not None:
        share = np.float32(1.0 if passage.half is None else labels.soft_weight)
        targets = (1 - share) * targets + share * soft
    least = least_targets(passage.text, annotation.spans, keep=passage.keep, lift=labels.lift)[word]
    weights = _weights(passage.text, annotation, word, labels)
    targets = least + (1 - least) * targets  # raised, and still in the teacher's order
    return Example(ids, annotation.labels[word], targets, weights)


def _annotate(passage: Passage, labels: LabelSection) -> Annotation:
    if passage.half is None:
        return annotate(passage.text, "", None)
    if passage.quarter is None and labels.loss == "binary" and labels.level == "quarter":
        raise InputError(f"labels.level: is quarter, but passage {passage.id!r} has no 'quarter'")
    return annotate(passage.text, passage.half, passage.quarter)


def word_of_subword(spans: Ints, starts: Ints) -> Ints:
    """For each sub-word the last word that begins at or before its first character: int64 [n]."""
    return np.maximum(np.searchsorted(spans[:, 0], starts, side="right") - 1, 0)


def _solid_starts(text: str, offsets: Ints) -> Ints:
    """Where sub-words begin, the blanks left out that some tokenizers count to the word behind."""
    solid = np.array([not character.isspace() for character in text], np.bool_)
    following = np.where(solid, np.arange(len(text)), len(text))
    following = np.append(np.minimum.accumulate(following[::-1])[::-1], len(text))
    starts = following[offsets[:, 0]]
    return np.where(starts < offsets[:, 1], starts, offsets[:, 0])


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
