"""How well a teacher kept to deleting words, example by example, and which examples to train on.

In: a passage and a compression of it. Out: the four measures of LLMLingua-2, and a selection that
drops the worst by two of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.distill.annotate import annotate
from compressor.distill.words import Vocabulary, split_words

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """The measures of one compression, by its words; punctuation marks are left out of all four.

    A word is what `split_words` says (a character in Chinese, Japanese and Thai). It *occurs* in
    the passage where the passage has the same word up to case and typography, or a form of it, at
    any place and however often.

    `variation_rate`: the share of the compression's words that don't occur in the passage: invented
    ones. `hitting_rate`: those that do, over the words of the passage. `matching_rate`: words of
    the passage that the annotation labels as kept, over all of them. `alignment_gap`: hitting rate
    less matching rate, at least 0: words that occur but have no label, such as repetitions.
    All are 0 where they would be 0 / 0.
    """

    variation_rate: float
    hitting_rate: float
    matching_rate: float
    alignment_gap: float


def measure(text: str, compressed: str) -> Quality:
    """The quality of `compressed` as a selection of the words of `text`."""
    words = [word for word in split_words(text) if not word.is_mark]
    kept = [word for word in split_words(compressed) if not word.is_mark]
    vocabulary = Vocabulary(words)
    hits = sum(vocabulary.holds(word.key) for word in kept)
    annotation = annotate(text, compressed, None)
    starts = {word.start for word in words}
    matches = sum(int(span[0]) in starts for span in annotation.spans[annotation.labels > 0])
    return Quality(
        variation_rate=_share(len(kept) - hits, len(kept)),
        hitting_rate=_share(hits, len(words)),
        matching_rate=_share(matches, len(words)),
        alignment_gap=_share(hits - matches, len(words)),
    )


def select(
    quality: Sequence[Quality | None],
    *,
    variation_share: float = 0.05,
    gap_share: float = 0.10,
) -> npt.NDArray[np.bool_]:
    """Which examples to train on: bool [len(quality)].

    Drops the worst `variation_share` of the examples by variation rate and, of the rest, the worst
    `gap_share` by alignment gap (both 0 <= share < 1). Never selected: None (no measure, a failed
    request) and an example that has no word labelled as kept; neither counts in the shares.
    See `limit` for ties. Raises `ValueError` for a share out of range.
    """
    limits = find_limits(quality, variation_share=variation_share, gap_share=gap_share)
    return np.array([_within(q, limits) for q in quality], np.bool_)


@dataclass(frozen=True)
class Limits:
    """The highest variation rate and alignment gap that are selected; infinite: none is too high"""

    variation_rate: float
    alignment_gap: float


def find_limits(
    quality: Sequence[Quality | None],
    *,
    variation_share: float = 0.05,
    gap_share: float = 0.10,
) -> Limits:
    """The limits that `select` draws."""
    usable = [q for q in quality if q is not None and q.matching_rate > 0]
    variation = limit(np.array([q.variation_rate for q in usable]), variation_share)
    gaps = np.array([q.alignment_gap for q in usable if q.variation_rate <= variation])
    return Limits(variation, limit(gaps, gap_share))


def limit(values: Floats, share: float) -> float:
    """The highest of `values` that stays when the worst `share` of them goes; inf: all stay.

    The cut never divides equals, so it depends on the values alone, not on their order: of the
    possible cuts it is the one that comes closest to `share`, and of two as close the one that
    drops less. The lowest value always stays: where most are 0, that is perfect, none of them goes.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share to drop must be in [0, 1), got {share}")
    different, counts = np.unique(values, return_counts=True)
    if not len(different):
        return np.inf
    dropped = len(values) - np.cumsum(counts)  # where the value of that place is the last to stay
    distance = np.abs(dropped - share * len(values))
    best = len(distance) - 1 - int(np.argmin(distance[::-1]))
    return float(different[best]) if dropped[best] else np.inf


def _within(quality: Quality | None, limits: Limits) -> bool:
    return (
        quality is not None
        and quality.matching_rate > 0
        and quality.variation_rate <= limits.variation_rate
        and quality.alignment_gap <= limits.alignment_gap
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
