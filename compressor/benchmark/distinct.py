"""As many texts as one likes from a few, no two alike.

The job compresses a text that repeats only once, and would look faster than it is. A number behind
each repetition makes it another text; its words stay known, as they are in a large corpus.
"""

from collections.abc import Iterator, Sequence
from itertools import count, islice


def distinct(texts: Sequence[str], wanted: int) -> Iterator[str]:
    """The texts, then the texts again with a 2 behind each, and so on, `wanted` in all.

    Texts that are alike from the start become distinct, too, but for the first time over.
    """
    if not texts:
        return
    yield from islice(
        (
            text if turn == 1 else f"{text} {turn * len(texts) + place}"
            for turn in count(1)
            for place, text in enumerate(texts)
        ),
        wanted,
    )
