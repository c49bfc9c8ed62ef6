"""From easy to hard: which questions a step poses.

A hard question fails whatever stands in front of it, and teaches nothing. Questions are sorted by
difficulty, then by the steps of their solution; the easiest share is open at the start, and more
opens up in a line until all of them are.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compressor.reinforce.config import CurriculumSection
from compressor.reinforce.shots import Shot

Ints = npt.NDArray[np.int64]


def by_difficulty(questions: Sequence[Shot]) -> Ints:
    """Indices from easy to hard, int64 [n]; of equals the earlier one first."""
    levels = [(shot.difficulty, shot.steps) for shot in questions]
    return np.array(sorted(range(len(levels)), key=levels.__getitem__), np.int64)


def open_share(progress: float, section: CurriculumSection) -> float:
    """The share of questions, from the easy end, that are open after that part of the training."""
    done = 1.0 if progress >= section.widened_by else progress / section.widened_by
    return section.first_share + (1 - section.first_share) * done


def draw(order: Ints, share: float, count: int, generator: np.random.Generator) -> list[int]:
    """`count` different questions of the easiest `share`; all of it where it has no more."""
    there = order[: max(count, math.ceil(share * len(order)))]
    drawn: list[int] = generator.choice(there, min(count, len(there)), replace=False).tolist()
    return drawn
