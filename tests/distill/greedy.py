"""The published way to label words, to compare with: a greedy search in a window.

arXiv 2403.12968, algorithm 1: each word of the compression is looked for from a moving pointer,
forward and backward in turn; the first word that is equal and has no label yet gets it.
"""

import numpy as np
import numpy.typing as npt

from compressor.distill.words import are_forms, split_words


def annotate_greedily(text: str, compressed: str, window: int = 150) -> npt.NDArray[np.bool_]:
    """Which words of `text` are labelled as kept: bool [words of `text`]."""
    source = [word.key for word in split_words(text)]
    labels = np.zeros(len(source), np.bool_)
    pointer = 0
    for word in split_words(compressed):
        for offset in range(window):
            ahead, behind = pointer + offset, pointer - offset
            place = next(
                (
                    j
                    for j in (ahead, behind)
                    if 0 <= j < len(source)
                    and not labels[j]
                    and (source[j] == word.key or are_forms(source[j], word.key))
                ),
                None,
            )
            if place is not None:
                labels[place] = True
                pointer = min(place, pointer + window // 2)
                break
    return labels
