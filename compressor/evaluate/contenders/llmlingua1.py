"""LLMLingua (Jiang et al. 2023): iterative compression by the perplexity of tokens.

A text is read in segments of about 100 tokens. A causal language model reads each segment behind
what it has kept of those before, and of the segment the words with the highest loss are kept, as
many as the rate allows; so the distribution that it is conditioned on is that of compressed text.
This is the paper's algorithm 2. Its budget controller (which shares a budget out over instruction,
demonstrations and question) has nothing to do here, where each text is compressed by itself. A
word's loss is the mean of its tokens', so that words stay whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compressor.evaluate.budget import Budget, Words
from compressor.evaluate.contenders.selective_context import touching
from compressor.reader.local import LocalReader, rows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class LLMLingua1:
    """The contender. Within a segment the order of words decides, so each keeps its share."""

    def __init__(
        self, name: str, budget: Budget, reader: LocalReader, *, segment_tokens: int = 100
    ) -> None:
        self.name = name
        self.identity = f"llmlingua1 1 {segment_tokens} {reader.identity}"
        self._budget = budget
        self._reader = reader
        self._segment_tokens = segment_tokens

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        words = self._budget.words(texts)
        return self._budget.cut(texts, self.scores(texts, words, rate), rate)

    def scores(self, texts: Sequence[str], words: Sequence[Words], rate: float) -> list[Floats]:
        """For each text a score a word, float64 [words]: 0 down to -1.

        Minus the share of its segment's tokens that this word and the more surprising ones make,
        which is comparable over segments: the words above -rate are those that each one keeps.
        """
        encoded = self._reader.encode(texts)
        spans = np.stack([encoded.start, encoded.end], 1)
        parts = np.split(spans, encoded.splits[1:-1]) if len(texts) else []
        readings = [
            _Reading(ids, span, spans_of_words, self._segment_tokens)
            for ids, span, spans_of_words in zip(rows(encoded), parts, words, strict=True)
        ]
        room = self._reader.lm.limit - 2 * self._segment_tokens
        step = 0
        while active := [one for one in readings if step < one.segments]:
            heads = [one.kept_ids()[-room:] for one in active]
            tails = [one.segment_ids(step) for one in active]
            losses = self._reader.losses(heads, tails)
            for one, loss in zip(active, losses, strict=True):
                one.judge(step, loss, rate)
            step += 1
        return [one.score for one in readings]


@dataclass
class _Reading:
    """One text on its way: tokens with the words that they belong to, and what is kept so far.

    A token belongs to the last word that has begun where the token ends (a mark to the word before
    it), those before the first word to the first.
    """

    ids: Ints
    spans: Ints
    words: Words
    segment_tokens: int
    score: Floats = field(init=False)
    segments: int = field(init=False)

    def __post_init__(self) -> None:
        self.score = np.zeros(len(self.words))
        self._kept = np.zeros(len(self.ids), bool)
        starts = np.array([start for start, _ in self.words], np.int64)
        end = np.maximum.accumulate(self.spans[:, 1]) if len(self.ids) else self.spans[:, 1]
        self._owner = np.maximum(np.searchsorted(starts, end, "left") - 1, 0)
        self._first, self._last = touching(self.spans, self.words)
        # A word belongs to the segment in which its first token lies; segments end between words.
        of_word = np.minimum(self._first, max(len(self.ids) - 1, 0)) // self.segment_tokens
        _, self._segment_of_word = np.unique(of_word, return_inverse=True)
        self.segments = int(self._segment_of_word[-1]) + 1 if len(self.words) else 0
        self._segment = self._segment_of_word[self._owner] if self.segments else self._owner

    def kept_ids(self) -> Ints:
        return np.asarray(self.ids[self._kept])

    def segment_ids(self, step: int) -> Ints:
        return np.asarray(self.ids[self._segment == step])

    def judge(self, step: int, loss: Floats, rate: float) -> None:
        """Score the words of a segment by the losses of its tokens, and keep the best of them."""
        tokens = np.flatnonzero(self._segment == step)
        mine = np.flatnonzero(self._segment_of_word == step)
        total = np.zeros(len(self.ids) + 1)
        total[tokens + 1] = loss
        total = np.cumsum(total)
        size = np.maximum(self._last[mine] - self._first[mine], 1)
        mean = (total[self._last[mine]] - total[self._first[mine]]) / size
        order = np.argsort(-mean, kind="stable")
        held = np.bincount(self._owner[tokens], minlength=len(self.words))[mine]
        share = np.cumsum(held[order]) / max(len(tokens), 1)
        self.score[mine[order]] = -share
        keeps = np.zeros(len(self.words), bool)
        keeps[mine[order[share <= rate]]] = True
        self._kept[tokens] = keeps[self._owner[tokens]]
