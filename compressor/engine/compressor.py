"""The facade: texts in, compressions out. No Ray, no storage, no network once weights are there.

Data flows one way: texts -> batch (sub-words, words) -> windows -> P(keep) -> keep mask -> text.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.engine.compression import Calibration, Columns, Compression
from compressor.engine.document import Batch, build_batch
from compressor.engine.flat import FlatTexts
from compressor.engine.options import (
    Selection,
    check_coarse,
    check_protection,
    check_rates,
    check_target,
    check_texts,
    check_threshold,
)
from compressor.engine.outcome import Outcome
from compressor.engine.overlap import overlapped
from compressor.engine.passages import Text, all_joined, starts_of
from compressor.engine.scored import Part, ScoredTexts
from compressor.engine.scorer import Auto, Scorer
from compressor.engine.subwords import FastTokenizer, TokenCounter, load_counter
from compressor.engine.windows import Windows, cut_windows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_CHUNK_CHARACTERS = 2_000_000
"""Texts are taken together up to this size: bounded memory, full batches."""
_CHUNKS_OF_A_GPU = 4
"""A GPU waits for the first chunk, and for the last one to be finished: so many times smaller ones.
Its batches reach over the edges of chunks."""


class Compressor:
    """A loaded model that compresses texts. Thread-safe."""

    def __init__(
        self,
        scorer: Scorer,
        tokenizer: FastTokenizer,
        *,
        folder: Path | None = None,
        dtype: str = "float32",
    ) -> None:
        self._scorer = scorer
        self._tokenizer = tokenizer
        self._counters: dict[str, TokenCounter] = {}
        self._folder = folder
        self.dtype = dtype

    @classmethod
    def from_pretrained(
        cls,
        name: str = "default",
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_batch_tokens: int | Auto = "auto",
        storage_options: dict[str, Any] | None = None,
        expected_digest: str | None = None,
    ) -> "Compressor":
        """Load a token classifier: "default", a local directory, a hub id or an s3:// directory.

        `device` is auto, cpu or cuda; `dtype` auto, float32, bfloat16 or float16. Raises
        `InputError` (a `ValueError`) where there is no such model or it can't be used, and
        `JobError` where its files don't have the `expected_digest`.
        """
        from compressor.models.checkpoint import load_checkpoint
        from compressor.models.resolve import resolve

        folder = resolve(name, storage_options, expected=expected_digest)
        checkpoint = load_checkpoint(folder, name, device=device, dtype=dtype, bare=True)
        scorer = Scorer(
            checkpoint.model,
            checkpoint.form,
            checkpoint.device,
            max_batch_tokens=max_batch_tokens,
        )
        tokenizer = FastTokenizer(checkpoint.tokenizer)
        return cls(scorer, tokenizer, folder=folder, dtype=checkpoint.dtype)

    @cached_property
    def digest(self) -> str:
        """Of the model's files; read when first asked for, a second for a large model."""
        from compressor.models.resolve import digest

        return digest(self._folder) if self._folder else ""

    @property
    def device(self) -> str:
        return str(self._scorer.device)

    @property
    def model_seconds(self) -> float:
        """Seconds spent in the model so far, over all calls and threads."""
        return self._scorer.model_seconds

    def compress(
        self,
        texts: Sequence[Text],
        rate: float | Sequence[float] = 0.5,
        *,
        target_tokens: int | None = None,
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        protect: Sequence[str] = (),
        tokenizer: str | None = None,
        threshold: float | Sequence[float] | None = None,
        coarse: str = "none",
        coarse_share: float | None = None,
    ) -> list[Compression]:
        """Compress each text to `rate` of its tokens, or to `target_tokens`.

        rate: 0 < rate <= 1, or one for each text; 1 gives a text back byte for byte.
        force_tokens: words or characters that are always kept; drop_consecutive: runs of the same
        one collapse. protect: regular expressions, what they match is kept verbatim. tokenizer:
        what counts tokens (None: the model's own; "tiktoken:NAME", a directory or hub id).
        threshold: keep words of at least this P(keep), whatever the rate (see `calibrate`).
        coarse="sentence": sentences of the lowest mean P(keep) go first, until the others hold
        coarse_share of the tokens (None: (rate + 1) / 2). A text may be a list of passages, which
        are joined by line breaks; then these go, not sentences.
        Raises `ValueError` for values out of range.
        """
        options = self._options(
            texts,
            rate,
            target_tokens=target_tokens,
            force_tokens=force_tokens,
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
            protect=protect,
            tokenizer=tokenizer,
            threshold=threshold,
            coarse=coarse,
            coarse_share=coarse_share,
        )
        return [
            result
            for outcome in self._outcomes(all_joined(texts), options)
            for result in outcome.compressions()
        ]

    def compress_columns(
        self, texts: Sequence[Text], rate: float | Sequence[float] = 0.5, **options: Any
    ) -> Columns:
        """What `compress` gives for the same arguments, in columns: no object for each text."""
        chosen = self._options(texts, rate, **options)
        parts = self._outcomes(all_joined(texts), chosen)
        return Columns.concat([one.columns() for one in parts])

    def calibrate(
        self,
        texts: Sequence[Text],
        rate: float = 0.5,
        *,
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        protect: Sequence[str] = (),
        tokenizer: str | None = None,
        coarse: str = "none",
        coarse_share: float | None = None,
    ) -> Calibration:
        """The threshold on P(keep) at which these texts as a whole are cut to `rate`.

        A dense text then gives less than a wordy one. The options are those of `compress`; the
        achieved rate is measured on the same texts.
        """
        options = self._options(
            texts,
            rate,
            force_tokens=force_tokens,
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
            protect=protect,
            tokenizer=tokenizer,
            coarse=coarse,
            coarse_share=coarse_share,
        )
        return self._scored(texts, options).calibrate(rate)

    def score(self, texts: Sequence[Text], **options: Any) -> ScoredTexts:
        """Read the texts once, to compress or calibrate them at any number of rates.

        The options are those of `compress` but for rate and threshold.
        """
        return self._scored(texts, self._options(texts, 1.0, **options))

    def _scored(self, texts: Sequence[Text], options: Selection) -> ScoredTexts:
        plain, parts = all_joined(texts), []
        for chunk in (slice(*span) for span in _chunks(plain, self._scorer.device.type)):
            batch, windows = self._prepare(plain[chunk], options)
            ((scores, seconds),) = self._scorer.score([(batch.subwords.ids, windows)])
            parts.append(Part.of(chunk, plain, batch, scores, seconds))
        return ScoredTexts(parts, options, self._count(options))

    def _options(
        self,
        texts: Sequence[Text],
        rate: float | Sequence[float],
        *,
        target_tokens: int | None = None,
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        protect: Sequence[str] = (),
        tokenizer: str | None = None,
        threshold: float | Sequence[float] | None = None,
        coarse: str = "none",
        coarse_share: float | None = None,
    ) -> Selection:
        check_texts(texts)
        stage, share = check_coarse(coarse, coarse_share)
        return Selection(
            rates=check_rates(rate, len(texts)),
            target_tokens=check_target(target_tokens),
            protection=check_protection(force_tokens, protect),
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
            counter=self._counter(tokenizer),
            threshold=check_threshold(threshold, stage),
            coarse=stage,
            coarse_share=share,
            passages=starts_of(texts) if stage == "sentence" else None,
        )

    def _counter(self, name: str | None) -> TokenCounter | None:
        if name is None:
            return None
        if name not in self._counters:
            self._counters[name] = load_counter(name)
        return self._counters[name]

    def _outcomes(self, texts: Sequence[str], options: Selection) -> Iterator[Outcome]:
        """What became of the texts, chunk by chunk."""

        def prepare(chunk: slice) -> tuple[slice, Batch, Windows]:
            return chunk, *self._prepare(texts[chunk], options)

        def work(
            ready: Iterator[tuple[slice, Batch, Windows]],
        ) -> Iterator[tuple[slice, Batch, Floats, float]]:
            taken: deque[tuple[slice, Batch]] = deque()

            def items() -> Iterator[tuple[Ints, Windows]]:
                for chunk, batch, windows in ready:
                    taken.append((chunk, batch))
                    yield batch.subwords.ids, windows

            for scored in self._scorer.score(items()):
                yield *taken.popleft(), *scored

        def finish(scored: tuple[slice, Batch, Floats, float]) -> Outcome:
            part = Part.of(scored[0], texts, *scored[1:])
            return part.outcome(options, self._count(options))

        chunks = [slice(*chunk) for chunk in _chunks(texts, self._scorer.device.type)]
        return overlapped(chunks, prepare, work, finish)

    def _prepare(self, texts: Sequence[str], options: Selection) -> tuple[Batch, Windows]:
        batch = build_batch(
            texts,
            self._tokenizer,
            options.counter,
            options.protection,
            force_reserve_digit=options.force_reserve_digit,
        )
        return batch, cut_windows(batch, self._scorer.form.window)

    def _count(self, options: Selection) -> Callable[[FlatTexts], Ints]:
        return (options.counter or self._tokenizer).count


def _chunks(texts: Sequence[str], device: str) -> Iterator[tuple[int, int]]:
    """Spans of texts of bounded size together; a longer text goes alone."""
    most = _CHUNK_CHARACTERS // (_CHUNKS_OF_A_GPU if device == "cuda" else 1)
    first = size = 0
    for at, text in enumerate(texts):
        if at > first and size + len(text) > most:
            yield first, at
            first, size = at, 0
        size += len(text) + 1
    if first < len(texts):
        yield first, len(texts)


__all__ = ["Calibration", "Compression", "Compressor"]
