"""Selective-Context (Li et al. 2023): phrases of the least self-information go first.

A causal language model reads each sentence by itself; a phrase's self-information is the mean loss
of its tokens, as in the published code. That code takes noun phrases from spaCy's parser; here a
phrase is what the text's surface shows: a run of words that are no stop words, with the determiner
before it, ended by a mark or a line break; any other word stands alone. And the budget is met by
tokens, not by a percentile of phrases.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from compressor.evaluate.budget import Budget, Words
from compressor.evaluate.contenders.ranked import Ranked
from compressor.evaluate.contenders.stopwords import STOP_WORDS
from compressor.reader.local import LocalReader, rows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_DETERMINERS = STOP_WORDS & set(
    re.findall(r"\w+", "a an the this that these those my your his her its our their some any each")
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])|\n+")
_LONGEST = 512  # tokens read at once, where a text shows no sentences


def selective_context(name: str, budget: Budget, reader: LocalReader) -> Ranked:
    """The contender; what was once read isn't read again for another rate."""
    known: dict[str, tuple[Ints, Floats]] = {}

    def score(texts: Sequence[str], words: Sequence[Words]) -> list[Floats]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, token_losses(new, reader), strict=True))
        return [
            _phrase_means(text, spans, *known[text])
            for text, spans in zip(texts, words, strict=True)
        ]

    return Ranked(name, f"selective-context 1 {reader.identity}", budget, score)


def token_losses(texts: Sequence[str], reader: LocalReader) -> list[tuple[Ints, Floats]]:
    """For each text the character spans, int64 [t, 2], and losses, float64 [t], of its tokens.

    Each sentence is read as if nothing stood before it.
    """
    pieces = [(row, *span) for row, text in enumerate(texts) for span in sentences(text)]
    encoded = reader.encode([texts[row][start:end] for row, start, end in pieces])
    spans = np.stack([encoded.start, encoded.end], 1)
    tails: list[Ints] = []
    for ids in rows(encoded):
        tails += np.split(ids, range(_LONGEST, len(ids), _LONGEST))
    nothing = np.zeros(0, np.int64)
    losses = reader.losses([nothing] * len(tails), tails)
    flat = np.concatenate([*losses, np.zeros(0)])
    piece = np.repeat(np.arange(len(pieces)), encoded.counts)
    shift = np.array([start for _, start, _ in pieces], np.int64)
    owner = np.array([row for row, _, _ in pieces], np.int64)
    spans = spans + shift[piece][:, None]
    edges = np.searchsorted(owner[piece], np.arange(len(texts) + 1))
    return [(spans[a:b], flat[a:b]) for a, b in pairwise(edges)]


def sentences(text: str) -> list[tuple[int, int]]:
    """Character spans of the sentences that aren't blank, in order."""
    edges = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    return [(a, b) for a, b in pairwise(edges) if text[a:b].strip()]


def phrases(text: str, words: Words) -> Ints:
    """The number of each word's phrase, int64 [words], rising."""
    starts = np.ones(len(words), bool)
    before = ""
    for at, (start, end) in enumerate(words):
        word = text[start:end].lower()
        if at and before and word not in STOP_WORDS:
            between = text[words[at - 1][1] : start]
            starts[at] = bool(between.strip()) or "\n" in between
        # What may go on behind this word: a determiner or a word that is no stop word.
        before = word if word in _DETERMINERS or word not in STOP_WORDS else ""
    return np.cumsum(starts) - 1


def _phrase_means(text: str, words: Words, spans: Ints, losses: Floats) -> Floats:
    """Each word's score: the mean loss of the tokens of its phrase, float64 [words]."""
    if not words:
        return np.zeros(0)
    phrase = phrases(text, words)
    first, last = touching(spans, words)
    total = np.concatenate([[0.0], np.cumsum(losses)])
    loss = np.bincount(phrase, total[last] - total[first])
    size = np.bincount(phrase, last - first)
    return np.asarray((loss / np.maximum(size, 1))[phrase])


def touching(spans: Ints, words: Words) -> tuple[Ints, Ints]:
    """The tokens that touch each word: first, and one behind the last, int64 [words] each."""
    edges = np.array(words, np.int64).reshape(-1, 2)
    # Bytes of one character may be several tokens: ends and starts rise, but not strictly.
    start, end = np.maximum.accumulate(spans[:, 0]), np.maximum.accumulate(spans[:, 1])
    first = np.searchsorted(end, edges[:, 0], "right")
    return first, np.maximum(np.searchsorted(start, edges[:, 1], "left"), first)
