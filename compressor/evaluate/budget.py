"""The budget that all contenders get: rate x tokens, counted by one tokenizer for all of them.

Whatever ranks the words of a text becomes a contender here: `cut` keeps the best-ranked words that
fit, by the engine's own selection, and renders them as the engine does. So a difference between
two rankings is never one of budget, punctuation or white space.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.engine.budget import fit, rank
from compressor.engine.document import Batch, build_batch
from compressor.engine.render import Gaps, render
from compressor.engine.subwords import TokenCounter, load_counter
from compressor.models.resolve import digest, resolve_tokenizer

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = list[tuple[int, int]]

SHIPPED = "default"
"""The tokenizer of the shipped model; it also parts words in scripts without spaces."""
_TEXTS = 512  # taken together; bounds memory


class Budget:
    """Counts tokens, says what may be kept, and cuts texts to that by any ranking of words."""

    def __init__(
        self, words: TokenCounter, counter: TokenCounter, name: str, identity: str
    ) -> None:
        """`words` parts texts into words, `counter` counts.

        `name` is what the configuration calls the counter, `identity` changes whenever one of the
        two tokenizers does.
        """
        self._words = words
        self._counter = counter
        self.name = name
        self.identity = identity

    @classmethod
    def load(cls, tokenizer: str | None, storage_options: dict[str, Any] | None = None) -> "Budget":
        """Count by `tokenizer`: None (the shipped model's), tiktoken:NAME, directory or hub id.

        Raises `InputError` where there is no such tokenizer.
        """
        shipped = load_counter(SHIPPED)
        counter = shipped if tokenizer is None else load_counter(tokenizer, storage_options)
        name = tokenizer or SHIPPED
        identity = f"{_identity(SHIPPED, {})} {_identity(name, storage_options)}"
        return cls(shipped, counter, name, identity)

    def count(self, texts: Sequence[str]) -> Ints:
        """Tokens of each text, int64 [n]."""
        return self._counter.count(texts)

    def targets(self, texts: Sequence[str], rate: float) -> Ints:
        """Tokens that each text may keep, int64 [n]: max(1, round(rate x tokens))."""
        return _targets(self.count(texts), rate)

    def words(self, texts: Sequence[str]) -> list[Words]:
        """Character spans of each text's words, in order; punctuation apart.

        A mark is kept or dropped with the word that it belongs to, so it needs no score.
        """
        return [
            [(start, end) for start, end in spans.tolist()]
            for batch in self._batches(texts)
            for _, spans in _word_spans(batch)
        ]

    def cut(self, texts: Sequence[str], scores: Sequence[npt.ArrayLike], rate: float) -> list[str]:
        """Keep the words of the highest score; scores[i] has one for each of `words(texts)[i]`.

        Of equal scores the earlier word is kept. A text that has no more tokens than its target
        stays as it is. Raises `ValueError` where a text and its scores don't fit together.
        """
        if len(texts) != len(scores):
            raise ValueError(f"scores: for {len(scores)} texts, there are {len(texts)}")
        cut: list[str] = []
        for batch in self._batches(texts):
            part = slice(len(cut), len(cut) + len(batch))
            cut += self._cut(batch, texts[part], scores[part], rate)
        return cut

    def first_words(self, texts: Sequence[str], rate: float) -> list[str]:
        """The longest beginning of each text that fits, cut behind a word or mark, verbatim."""
        ends = [
            np.concatenate([[0], batch.units.end[mine] - batch.base[row]])
            for batch in self._batches(texts)
            for row, mine in _records(batch)
        ]
        targets = self.targets(texts, rate)
        low, high = np.zeros(len(texts), np.int64), np.array([len(end) for end in ends], np.int64)
        while len(rows := np.flatnonzero(high - low > 1)):  # low fits, high doesn't
            middle = (low[rows] + high[rows]) // 2
            begun = [
                texts[row][: ends[row][at]]
                for row, at in zip(rows.tolist(), middle.tolist(), strict=True)
            ]
            fits = self.count(begun) <= targets[rows]
            low[rows[fits]], high[rows[~fits]] = middle[fits], middle[~fits]
        whole = self.count(texts) <= targets
        return [
            text if whole[row] else text[: ends[row][low[row]]] for row, text in enumerate(texts)
        ]

    def _batches(self, texts: Sequence[str]) -> Iterator[Batch]:
        counter = None if self._counter is self._words else self._counter
        for first in range(0, len(texts), _TEXTS):
            yield build_batch(texts[first : first + _TEXTS], self._words, counter)

    def _cut(
        self, batch: Batch, texts: Sequence[str], scores: Sequence[npt.ArrayLike], rate: float
    ) -> list[str]:
        priority = np.zeros(len(batch.row), np.float32)
        for (at, _), score, text in zip(_word_spans(batch), scores, texts, strict=True):
            values = np.asarray(score, np.float64)
            if values.shape != (len(at),):
                raise ValueError(
                    f"scores: of shape {values.shape} for the {len(at)} words of {text[:40]!r}"
                )
            order = np.lexsort((np.arange(len(at)), -values))
            priority[at[order]] = -np.arange(len(at), dtype=np.float32)
        priority = priority[batch.units.owner]
        target = _targets(batch.tokens, rate)
        rows = np.flatnonzero(target < batch.tokens)
        if not len(rows):
            return list(texts)
        some = rank(batch, priority).only(rows)
        gaps = Gaps.of(batch)

        def mask_of(part: Flags) -> Flags:
            mask = np.zeros(len(batch.row), bool)
            mask[some.unit] = part
            return mask

        def count(part: Flags, which: Ints) -> Ints:
            return self.count(render(batch, gaps, mask_of(part), rows[which]))

        part, _ = fit(some, target[rows], count)
        cut = list(texts)
        for row, text in zip(rows.tolist(), render(batch, gaps, mask_of(part), rows), strict=True):
            cut[row] = text
        return cut


def _identity(name: str, storage_options: dict[str, Any] | None) -> str:
    if name.startswith("tiktoken:"):
        return name
    return digest(resolve_tokenizer(name, storage_options))


def _targets(tokens: Ints, rate: float) -> Ints:
    return np.maximum(1, np.round(rate * tokens).astype(np.int64))


def _records(batch: Batch) -> Iterator[tuple[int, slice]]:
    for row in range(len(batch)):
        yield row, slice(int(batch.splits[row]), int(batch.splits[row + 1]))


def _word_spans(batch: Batch) -> Iterator[tuple[Ints, Ints]]:
    """Each record's units that own themselves: their indices, and their spans in its own text."""
    spans = np.stack([batch.units.start, batch.units.end], 1) - batch.base[batch.row][:, None]
    own = batch.units.owner == np.arange(len(batch.row))
    for _, mine in _records(batch):
        at = mine.start + np.flatnonzero(own[mine])
        yield at, spans[at]
