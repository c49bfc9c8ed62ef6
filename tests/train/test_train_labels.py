"""Targets of words: the teacher's grades, facts, strings to keep, soft labels."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from compressor.distill.words import split_words
from compressor.errors import InputError
from compressor.evaluate.facts import find_facts
from compressor.train.config import LabelSection
from compressor.train.examples import encode
from compressor.train.labels import least_targets, teacher_targets
from compressor.train.passages import Passage

GRADES = np.array([0, 0.5, 1], np.float32)


@pytest.mark.parametrize(
    ("labels", "targets"),
    [
        ({}, [0, 0.5, 1]),
        ({"half": 0.7}, [0, 0.7, 1]),
        ({"half": 0.7, "smoothing": 0.2}, [0.1, 0.66, 0.9]),
        ({"loss": "binary"}, [0, 1, 1]),
        ({"loss": "binary", "level": "quarter"}, [0, 0, 1]),
        ({"loss": "binary", "smoothing": 0.1}, [0.05, 0.95, 0.95]),
    ],
)
def test_targets_of_the_grades(labels: dict[str, object], targets: list[float]) -> None:
    got = teacher_targets(GRADES, LabelSection.model_validate(labels))
    assert got.dtype == np.float32
    assert got.tolist() == pytest.approx(targets)


def spans_of(text: str) -> npt.NDArray[np.int64]:
    words = split_words(text)
    return np.array([(w.start, w.start + len(w.text)) for w in words], np.int64).reshape(-1, 2)


def least(text: str, **given: object) -> dict[str, float]:
    spans = spans_of(text)
    values = least_targets(text, spans, **given)  # type: ignore[arg-type]
    pairs = zip(spans.tolist(), values.tolist(), strict=True)
    return {text[start:end]: round(value, 3) for (start, end), value in pairs if value}


def test_facts_are_lifted_by_their_kind() -> None:
    text = "In total Maria didn't pay 1,200.5 kg to Ben."
    lifted = least(text, lift={"number": 0.9, "negation": 1.0})
    assert lifted == {"didn": 1, "'": 1, "t": 1, "1": 0.9, ",": 0.9, "200": 0.9, ".": 0.9, "5": 0.9}
    assert set(least(text, lift={"name": 0.5})) == {"Maria", "Ben"}
    assert least(text, lift={}) == {}


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (["new york"], {"New", "York"}),
        (["York"], {"York"}),
        (["Yor"], set()),  # no whole word
        (["ork"], set()),
        (["york city"], set()),
        (["", "  "], set()),
        ([" 1,5 "], {"1", ",", "5"}),
        (["東"], {"東"}),  # written without spaces: each character is a word
    ],
)
def test_strings_to_keep(keep: list[str], kept: set[str]) -> None:
    text = "She left New York for 1,5 euros; 東京 too."
    assert least(text, keep=keep) == dict.fromkeys(kept, 1.0)


@given(st.text(alphabet="ab1., N\n'tno", max_size=80), st.floats(0.1, 1))
def test_every_fact_is_lifted_and_nothing_else(text: str, target: float) -> None:
    spans = spans_of(text)
    lift = dict.fromkeys(("number", "name", "negation", "date", "unit", "code"), target)
    values = least_targets(text, spans, lift=lift)  # type: ignore[arg-type]
    facts = find_facts(text)
    for (start, end), value in zip(spans.tolist(), values, strict=True):
        inside = any(fact.start < end and start < fact.end for fact in facts)
        assert value == (np.float32(target) if inside else 0)


def test_soft_labels_are_mixed_in_and_facts_lifted_after(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    passage = Passage("a", "", "the 9 and", "the", "")
    bare = Passage("b", "", "the 9 and", None)
    labels = LabelSection(soft_weight=0.25, lift={"number": 0.9})
    soft = [np.array([0.2, 0.4, 0.6], np.float32)] * 2
    untruncated = tokenizer  # three sub-words: too few to be cut
    mixed, alone = encode([passage, bare], untruncated, labels, soft)
    assert mixed.targets.tolist() == pytest.approx([0.75 * 0.5 + 0.05, 0.9 + 0.1 * 0.1, 0.15])
    assert mixed.grades.tolist() == [0.5, 0, 0]  # stay the teacher's
    assert alone.targets.tolist() == pytest.approx([0.2, 0.9 + 0.1 * 0.4, 0.6])
    (teachers,) = encode([passage], untruncated, labels)
    assert teachers.targets.tolist() == pytest.approx([0.5, 0.9, 0])


def test_one_level_of_compression(tokenizer: PreTrainedTokenizerFast) -> None:
    passage = Passage("a", "", "the 9 and", "the 9")
    (example,) = encode([passage], tokenizer, LabelSection())
    assert example.targets.tolist() == example.grades.tolist() == [1, 1, 0]
    with pytest.raises(InputError, match=r"labels\.level: is quarter, but passage 'a'"):
        encode([passage], tokenizer, LabelSection(loss="binary", level="quarter"))
