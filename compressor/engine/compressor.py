"""The facade: texts in, compressions out. No Ray, no storage, no network once weights are there.

Data flows one way: texts -> batch (sub-words, words) -> windows -> P(keep) -> keep mask -> text.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.engine.budget import fit, rank
from compressor.engine.compression import Calibration, Compression
from compressor.engine.document import Batch, build_batch
from compressor.engine.options import (
    Selection,
    check_protection,
    check_rates,
    check_target,
    check_texts,
    check_threshold,
)
from compressor.engine.render import Gaps, collapse, render
from compressor.engine.scorer import Scorer
from compressor.engine.subwords import FastTokenizer, TokenCounter, load_counter
from compressor.engine.windows import cut_windows
from compressor.engine.word_scores import priorities, word_means

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

_CHUNK_CHARACTERS = 2_000_000
"""Texts are taken together up to this size: bounded memory, full batches."""
_CALIBRATIONS = 4
OVER_BUDGET = "force tokens alone exceed the budget: {} tokens kept, target {}"


class Compressor:
    """A loaded model that compresses texts. Thread-safe."""

    def __init__(
        self, scorer: Scorer, tokenizer: FastTokenizer, *, digest: str = "", dtype: str = "float32"
    ) -> None:
        self._scorer = scorer
        self._tokenizer = tokenizer
        self._counters: dict[str, TokenCounter] = {}
        self.digest = digest
        self.dtype = dtype

    @classmethod
    def from_pretrained(
        cls,
        name: str = "default",
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_batch_tokens: int = 8192,
        storage_options: dict[str, Any] | None = None,
        expected_digest: str | None = None,
    ) -> "Compressor":
        """Load a token classifier: "default", a local directory, a hub id or an s3:// directory.

        `device` is auto, cpu or cuda; `dtype` auto, float32, bfloat16 or float16. Raises
        `InputError` (a `ValueError`) where there is no such model or it can't be used, and
        `JobError` where its files don't have the `expected_digest`.
        """
        from compressor.models.checkpoint import load_checkpoint
        from compressor.models.resolve import digest, resolve

        folder = resolve(name, storage_options, expected=expected_digest)
        checkpoint = load_checkpoint(folder, name, device=device, dtype=dtype)
        scorer = Scorer(
            checkpoint.model,
            checkpoint.form,
            checkpoint.device,
            max_batch_tokens=max_batch_tokens,
        )
        tokenizer = FastTokenizer(checkpoint.tokenizer)
        return cls(scorer, tokenizer, digest=digest(folder), dtype=checkpoint.dtype)

    @property
    def device(self) -> str:
        return str(self._scorer.device)

    @property
    def model_seconds(self) -> float:
        """Seconds spent in the model so far, over all calls and threads."""
        return self._scorer.model_seconds

    def compress(
        self,
        texts: Sequence[str],
        rate: float | Sequence[float] = 0.5,
        *,
        target_tokens: int | None = None,
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        protect: Sequence[str] = (),
        tokenizer: str | None = None,
        threshold: float | None = None,
    ) -> list[Compression]:
        """Compress each text to `rate` of its tokens, or to `target_tokens`.

        rate: 0 < rate <= 1, or one for each text; 1 gives a text back byte for byte.
        force_tokens: words or characters that are always kept; drop_consecutive: runs of the same
        one collapse. protect: regular expressions, what they match is kept verbatim. tokenizer:
        what counts tokens (None: the model's own; "tiktoken:NAME", a directory or hub id).
        threshold: keep words of at least this P(keep), whatever the rate (see `calibrate`).
        Raises `ValueError` for values out of range.
        """
        check_texts(texts)
        options = Selection(
            rates=check_rates(rate, len(texts)),
            target_tokens=check_target(target_tokens),
            protection=check_protection(force_tokens, protect),
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
            counter=self._counter(tokenizer),
            threshold=check_threshold(threshold),
        )
        results: list[Compression] = []
        for first, last in _chunks(texts):
            results += self._compress_chunk(texts[first:last], options, slice(first, last))
        return results

    def calibrate(
        self,
        texts: Sequence[str],
        rate: float = 0.5,
        *,
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        protect: Sequence[str] = (),
        tokenizer: str | None = None,
    ) -> Calibration:
        """The threshold on P(keep) at which these texts as a whole are cut to `rate`.

        LLMLingua-2, section 3.3 ("sample-wise dynamic compression ratio"): a dense text then gives
        less than a wordy one. The achieved rate is measured on the same texts.
        """
        check_texts(texts)
        options = Selection(
            rates=check_rates(rate, len(texts)),
            protection=check_protection(force_tokens, protect),
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
            counter=self._counter(tokenizer),
        )
        parts: list[tuple[Batch, Floats]] = []
        for first, last in _chunks(texts):
            parts.append(self._score(texts[first:last], options))
        total = sum(int(batch.tokens.sum()) for batch, _ in parts)
        if total == 0:
            return Calibration(0.0, 1.0)
        found: list[Calibration] = []
        budget = rate * total
        for _ in range(_CALIBRATIONS):  # tokens merge or part where words go, so count and correct
            threshold = _threshold(parts, round(budget))
            kept = sum(
                int(
                    self._at_threshold(batch, Gaps.of(batch), probability, threshold, options)[
                        1
                    ].sum()
                )
                for batch, probability in parts
            )
            found.append(Calibration(threshold, kept / total))
            budget += rate * total - kept
        return min(found, key=lambda one: abs(one.rate - rate))

    def _counter(self, name: str | None) -> TokenCounter | None:
        if name is None:
            return None
        if name not in self._counters:
            self._counters[name] = load_counter(name)
        return self._counters[name]

    def _score(self, texts: Sequence[str], options: Selection) -> tuple[Batch, Floats]:
        """A batch and P(keep) of its units, float32 [u]."""
        batch = build_batch(
            texts,
            self._tokenizer,
            options.counter,
            options.protection,
            force_reserve_digit=options.force_reserve_digit,
        )
        windows = cut_windows(batch, self._scorer.form.window)
        return batch, word_means(batch, self._scorer.score(batch.subwords.ids, windows))

    def _compress_chunk(
        self, texts: Sequence[str], options: Selection, part: slice
    ) -> list[Compression]:
        batch, probability = self._score(texts, options)
        gaps = Gaps.of(batch)
        if options.target_tokens is None:
            wanted = np.round(options.rates[part] * batch.tokens).astype(np.int64)
            target = np.maximum(1, wanted)
        else:
            target = np.full(len(texts), options.target_tokens, np.int64)
        whole = target >= batch.tokens
        if options.threshold is None:
            keep, counts = self._within_budget(batch, gaps, probability, target, ~whole, options)
        else:
            whole = options.rates[part] >= 1
            keep, counts = self._at_threshold(batch, gaps, probability, options.threshold, options)
        keep |= whole[batch.row]
        rendered = render(batch, gaps, keep, np.arange(len(batch)))
        compressed = np.where(whole, batch.tokens, counts)
        over = ~whole & (compressed > target) & (options.threshold is None)
        return [
            Compression(
                text=texts[row] if whole[row] else rendered[row],
                original_tokens=int(batch.tokens[row]),
                compressed_tokens=int(compressed[row]),
                note=OVER_BUDGET.format(compressed[row], target[row]) if over[row] else None,
                probabilities=probability[at][word],
                _words=spans[word],
                _kept=spans[keep[at]],
            )
            for row, at, word, spans in _rows(batch)
        ]

    def _within_budget(
        self,
        batch: Batch,
        gaps: Gaps,
        probability: Floats,
        target: Ints,
        wanted: Flags,
        options: Selection,
    ) -> tuple[Flags, Ints]:
        """Keep mask of units and true token counts of the records that don't stay whole."""
        candidates = rank(batch, priorities(batch, probability))
        rows = np.flatnonzero(wanted)
        keep, counts = np.zeros(len(batch.row), bool), np.zeros(len(batch), np.int64)
        some = candidates.only(rows)
        if not len(rows):
            return keep, counts

        def mask_of(part: Flags) -> Flags:
            mask = np.zeros(len(batch.row), bool)
            mask[some.unit] = part
            return collapse(batch, mask) if options.drop_consecutive else mask

        def count(part: Flags, which: Ints) -> Ints:
            return self._count(render(batch, gaps, mask_of(part), rows[which]), options)

        part, found = fit(some, target[rows], count)
        counts[rows] = found
        return mask_of(part), counts

    def _at_threshold(
        self, batch: Batch, gaps: Gaps, probability: Floats, threshold: float, options: Selection
    ) -> tuple[Flags, Ints]:
        keep = batch.forced | (priorities(batch, probability) >= threshold)
        if options.drop_consecutive:
            keep = collapse(batch, keep)
        texts = render(batch, gaps, keep, np.arange(len(batch)))
        return keep, self._count(texts, options)

    def _count(self, texts: Sequence[str], options: Selection) -> Ints:
        return (options.counter or self._tokenizer).count(texts)


def _threshold(parts: Sequence[tuple[Batch, Floats]], budget: int) -> float:
    """The lowest priority that still fits when units of all texts are taken by falling priority."""
    priority = np.concatenate([priorities(batch, probability) for batch, probability in parts])
    cost = np.concatenate([batch.cost for batch, _ in parts])
    forced = np.concatenate([batch.forced for batch, _ in parts])
    left = budget - int(cost[forced].sum())
    order = np.argsort(-priority[~forced], kind="stable")
    running = np.cumsum(cost[~forced][order])
    fits = int(np.searchsorted(running, left, "right"))
    if fits == 0:
        return float(np.nextafter(np.float32(1), np.float32(2)))
    return float(priority[~forced][order[fits - 1]])


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Spans of texts of bounded size together; a longer text goes alone."""
    first = size = 0
    for at, text in enumerate(texts):
        if at > first and size + len(text) > _CHUNK_CHARACTERS:
            yield first, at
            first, size = at, 0
        size += len(text) + 1
    if first < len(texts):
        yield first, len(texts)


def _rows(batch: Batch) -> Iterator[tuple[int, slice, Flags, Ints]]:
    """Each record: its number, its units, which of them are words, their spans in its own text."""
    spans = np.stack([batch.units.start, batch.units.end], 1) - batch.base[batch.row][:, None]
    word = ~batch.blank
    for row in range(len(batch)):
        at = slice(int(batch.splits[row]), int(batch.splits[row + 1]))
        yield row, at, word[at], spans[at]


__all__ = ["Calibration", "Compression", "Compressor"]
