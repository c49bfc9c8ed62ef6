"""Long texts in chunks that a teacher shortens well, cut at sentence ends, and back together.

In: texts and what counts the teacher's tokens; out: chunks with the white space that stood behind
each. Asked to shorten a long text at once, a teacher drops far too much of it.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compressor.engine.document import build_batch
from compressor.engine.subwords import TokenCounter
from compressor.engine.windows import cut_windows

BATCH_CHARACTERS = 1_000_000  # segmenting takes about 100 bytes of memory a character
# A sentence end within the first eighth of a chunk is passed over: a crumb like "Dr." by itself
# teaches nothing.
EARLY_SHARE = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a text and the white space between it and the next part (or the text's end)."""

    text: str
    separator: str


def cut_chunks(texts: Sequence[str], counter: TokenCounter, most: int) -> list[list[Chunk]]:
    """Chunks of at most `most` tokens each (white space at their ends apart), for each text.

    A chunk ends at the last sentence end that it has room for, else at a line break, else between
    two words, else within a word. `join(chunks)` is the text again; one of white space alone has
    no chunks. Raises `ValueError` where `most` is no positive number.
    """
    if most < 1:
        raise ValueError(f"a chunk needs room for at least one token, got {most}")
    return [
        chunks
        for batch in _batches(texts)
        for chunks in _fitted(_cut(batch, counter, most), counter, most)
    ]


def join(chunks: Sequence[Chunk], compressions: Sequence[str] | None = None) -> str:
    """One text of the chunks of a record, or of their compressions, between the same separators.

    Raises `ValueError` where there isn't one compression for each chunk.
    """
    parts = [chunk.text for chunk in chunks] if compressions is None else compressions
    return "".join(part + chunk.separator for part, chunk in zip(parts, chunks, strict=True))


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and characters + len(text) > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch


def _cut(texts: Sequence[str], counter: TokenCounter, size: int) -> list[list[Chunk]]:
    """Chunks of at most `size` tokens as they are counted within the whole text."""
    batch = build_batch(texts, counter)
    windows = cut_windows(batch, size, early=size // EARLY_SHARE)
    begins = np.maximum.accumulate(batch.subwords.start) if len(windows.first) else windows.first
    row = np.searchsorted(batch.subwords.splits, windows.first, "right") - 1
    places = begins[windows.first] - batch.base[row]
    return [_chunks(text, places[row == number].tolist()) for number, text in enumerate(texts)]


def _chunks(text: str, places: Sequence[int]) -> list[Chunk]:
    """`text` cut at the given characters; parts of white space join the part before or behind."""
    bounds = sorted({0, *places[1:], len(text)})
    parts: list[str] = []
    for first, last in itertools.pairwise(bounds):
        part = text[first:last]
        if parts and (part.isspace() or parts[-1].isspace()):
            parts[-1] += part
        else:
            parts.append(part)
    return [
        Chunk(part.rstrip(), part[len(part.rstrip()) :]) for part in parts if not part.isspace()
    ]


def _fitted(
    texts: Sequence[Sequence[Chunk]], counter: TokenCounter, most: int
) -> list[list[Chunk]]:
    """Cut again what has more tokens by itself than it had within its text."""
    counts = iter(counter.count([chunk.text.strip() for chunks in texts for chunk in chunks]))
    return [
        [part for chunk in chunks for part in _smaller(chunk, int(next(counts)), counter, most)]
        for chunks in texts
    ]


def _smaller(chunk: Chunk, tokens: int, counter: TokenCounter, most: int) -> list[Chunk]:
    """The chunk, or where it has too many tokens smaller ones that end where it ends."""
    size = most
    while tokens > most and size > 1:
        size = max(1, size - (tokens - most))
        (parts,) = _cut([chunk.text], counter, size)
        if len(parts) > 1:
            parts[-1] = Chunk(parts[-1].text, chunk.separator)
            return _fitted([parts], counter, most)[0]
    return [chunk]
