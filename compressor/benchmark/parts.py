"""The engine's own parts called in order, for what is to be timed alone.

Only this file of the benchmark knows how the engine is put together.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.compressor import Compressor, _chunks
from compressor.engine.document import Batch, build_batch
from compressor.engine.flat import FlatTexts
from compressor.engine.options import Selection
from compressor.engine.outcome import Outcome
from compressor.engine.pieces import SubWords
from compressor.engine.render import Gaps
from compressor.engine.scorer import Scorer
from compressor.engine.selection import choose
from compressor.engine.subwords import TokenCounter
from compressor.engine.windows import Windows, cut_windows
from compressor.engine.word_scores import word_means

Ints = npt.NDArray[np.int64]
PARTS = ("tokenise", "words", "windows", "forward", "select", "count", "render")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Texts that the engine takes together, up to the model."""

    texts: Sequence[str]
    batch: Batch
    windows: Windows

    @property
    def sizes(self) -> Ints:
        """Sub-words of each window, special tokens apart, int64 [w]."""
        return self.windows.last - self.windows.first


class Stopwatch:
    """Seconds by name; what a nested measurement takes is not counted outside of it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            taken = time.perf_counter() - start
            self.seconds[name] += taken - self._inner.pop()
            self._inner[-1] += taken


class _Timed:
    """A tokenizer whose calls are clocked."""

    def __init__(self, tokenizer: TokenCounter, watch: Stopwatch) -> None:
        self._tokenizer, self._watch = tokenizer, watch

    def encode(self, texts: Sequence[str]) -> SubWords:
        with self._watch.on("tokenise"):
            return self._tokenizer.encode(texts)

    def count(self, texts: Sequence[str]) -> Ints:
        with self._watch.on("count"):
            return self._tokenizer.count(texts)


def prepared(
    texts: Sequence[str],
    tokenizer: TokenCounter,
    window: int,
    watch: Stopwatch | None = None,
    device: str = "cpu",
) -> Iterator[Chunk]:
    """The texts in windows of so many sub-words, chunk by chunk as the engine takes them."""
    watch = watch or Stopwatch()
    tokenizer = _Timed(tokenizer, watch)
    for first, last in _chunks(texts, device):
        some = texts[first:last]
        with watch.on("words"):
            batch = build_batch(some, tokenizer)
        with watch.on("windows"):
            windows = cut_windows(batch, window)
        yield Chunk(some, batch, windows)


def scorer_of(engine: Compressor) -> Scorer:
    """The engine's model replica."""
    return engine._scorer


def prepared_for(
    engine: Compressor, texts: Sequence[str], watch: Stopwatch | None = None
) -> Iterator[Chunk]:
    """The same with an engine's tokenizer and windows."""
    scorer = engine._scorer
    yield from prepared(texts, engine._tokenizer, scorer.form.window, watch, scorer.device.type)


def by_part(engine: Compressor, texts: Sequence[str], rate: float) -> tuple[dict[str, float], int]:
    """Compress, one part after the other: seconds of each of `PARTS`, and how many words.

    Of `select` the counting is taken out; what it renders in order to count stays in it.
    """
    watch, words = Stopwatch(), 0
    tokenizer = _Timed(engine._tokenizer, watch)

    def count(some: FlatTexts) -> Ints:
        return tokenizer.count(some)

    for chunk in prepared_for(engine, texts, watch):
        with watch.on("forward"):
            ((scores, _),) = engine._scorer.score([(chunk.batch.subwords.ids, chunk.windows)])
        rates = np.full(len(chunk.texts), rate)
        with watch.on("select"):
            probability, gaps = word_means(chunk.batch, scores), Gaps.of(chunk.batch)
            kept = choose(chunk.batch, gaps, probability, rates, Selection(rates), count)
        with watch.on("render"):
            Outcome(chunk.texts, chunk.batch, gaps, probability, kept, 0.0).columns()
        words += len(chunk.batch.row)
    return {name: watch.seconds[name] for name in PARTS}, words
