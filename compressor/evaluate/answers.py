"""How right a model's own answer is: exact match and F1 of words, as SQuAD counts them."""

from collections import Counter
from collections.abc import Sequence

from compressor.evaluate.survival import normalise


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1 where `answer` is one of `accepted`, both normalised; else 0."""
    return float(normalise(answer) in {normalise(one) for one in accepted})


def word_f1(answer: str, accepted: Sequence[str]) -> float:
    """F1 of the normalised words against the accepted answer where it is highest, 0 to 1.

    Where normalising leaves nothing of either, 1 if it leaves nothing of both.
    """
    given = Counter(normalise(answer).split())
    return max((_f1(given, Counter(normalise(one).split())) for one in accepted), default=0.0)


def _f1(given: Counter[str], wanted: Counter[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    return 2 * (given & wanted).total() / (given.total() + wanted.total())
