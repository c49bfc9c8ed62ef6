"""Labels against the truth, where a simulated teacher made the compression."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from compressor.distill.annotate import annotate
from compressor.distill.words import split_words
from tests.distill.greedy import annotate_greedily
from tests.distill.perturb import HALF, QUARTER, Case, draw_kept, english, perturb, unspaced

Flags = npt.NDArray[np.bool_]

PASSAGES = 60
CHANGED = {"inflected": 0.05, "moved": 0.05, "invented": 0.05}
CHANGED_UNSPACED = {"moved": 0.05, "invented": 0.05, "blanks": 0.2}


def cases(make: Callable[[int], str], changes: dict[str, float]) -> list[Case]:
    texts = [make(seed) for seed in range(PASSAGES)]
    kept = [draw_kept(seed, np.ones(len(split_words(t)), np.bool_)) for seed, t in enumerate(texts)]
    return [perturb(t, k, s, **changes) for s, (t, k) in enumerate(zip(texts, kept, strict=True))]


def accuracy(found: list[Flags], true: list[Flags]) -> float:
    """Share of all words with the true label."""
    return float((np.concatenate(found) == np.concatenate(true)).mean())


@pytest.mark.parametrize(
    ("make", "changes", "least"),
    [
        (english, {}, 0.99),
        (english, CHANGED, 0.95),
        (unspaced, {}, 0.99),
        (unspaced, CHANGED_UNSPACED, 0.95),
    ],
)
def test_labels_are_right_and_better_than_by_the_published_search(
    make: Callable[[int], str], changes: dict[str, float], least: float
) -> None:
    made = cases(make, changes)
    true = [case.kept for case in made]
    ours = accuracy([annotate(c.text, c.compressed, None).labels > 0 for c in made], true)
    assert ours >= least
    assert ours > accuracy([annotate_greedily(c.text, c.compressed) for c in made], true)


@pytest.mark.parametrize(("changes", "least"), [({}, 0.99), (CHANGED, 0.95)])
def test_grades_of_words_are_right(changes: dict[str, float], least: float) -> None:
    """Marks are left out: which of two quotes the shorter one has is often anybody's guess."""
    found, true = [], []
    for seed in range(PASSAGES):
        text = english(seed)
        words = np.array([not word.is_mark for word in split_words(text)])
        half = draw_kept(seed, np.ones(len(words), np.bool_), HALF)
        quarter = draw_kept(seed, half, QUARTER)
        longer = perturb(text, half, seed, **changes).compressed
        shorter = perturb(text, quarter, seed + 1, **changes).compressed
        found.append(annotate(text, longer, shorter).labels[words])
        true.append(np.select([quarter, half], [1.0, 0.5], 0.0)[words])
    assert float((np.concatenate(found) == np.concatenate(true)).mean()) >= least


def test_a_simulated_teacher_changes_what_it_is_told_to() -> None:
    """The checks above would pass with a teacher that changes nothing."""
    text = english(0)
    kept = draw_kept(0, np.ones(len(split_words(text)), np.bool_))
    words = {word.key for word in split_words(text)}
    plain = split_words(perturb(text, kept, 0).compressed)
    assert [word.text for word in plain] == [
        word.text for word, is_kept in zip(split_words(text), kept, strict=True) if is_kept
    ]
    count = sum(not word.is_mark for word in plain)

    inflected = split_words(perturb(text, kept, 0, inflected=0.05).compressed)
    assert sum(a.key != b.key for a, b in zip(plain, inflected, strict=True)) >= 0.04 * count
    moved = [word.key for word in split_words(perturb(text, kept, 0, moved=0.05).compressed)]
    assert sorted(moved) == sorted(word.key for word in plain)
    assert moved != [word.key for word in plain]
    invented = split_words(perturb(text, kept, 0, invented=0.05).compressed)
    assert len(invented) - len(plain) == pytest.approx(0.05 * count, abs=1)
    assert any(word.key not in words for word in invented)
