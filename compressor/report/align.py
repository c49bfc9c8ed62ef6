"""Which characters of a text its compression kept, recovered from the two strings alone.

A finished dataset holds the original and the compressed text, not the spans. The compressed text is
an in-order selection, so a match always exists; where words repeat there are several, and the one
with the fewest jumps is the likeliest. Input: two strings; output: spans of the original.
"""

import re
from collections.abc import Sequence

import numpy as np

Span = tuple[int, int]

# Words first; characters where a word was cut (long hashes, text without spaces).
_PIECES = (re.compile(r"\w+|[^\w\s]"), re.compile(r"\S"))
_MAX_CELLS = 16_000_000  # of the table below, 4 bytes each; beyond it the first match has to do


def kept_spans(text: str, compressed: str) -> list[Span] | None:
    """Return the spans of `text` that make up `compressed`, or None if it isn't a selection."""
    for pattern in _PIECES:
        spans = [match.span() for match in pattern.finditer(text)]
        ids, wanted = _numbers([text[a:b] for a, b in spans], pattern.findall(compressed))
        small = len(ids) * len(wanted) <= _MAX_CELLS
        chosen = _fewest_jumps(ids, wanted) if small else _first_match(ids, wanted)
        if chosen is not None:
            return _merge([spans[index] for index in chosen], chosen)
    return None


def is_selection(text: str, compressed: str) -> bool:
    """Whether `compressed` is an in-order selection of `text`: linear in the lengths."""
    for pattern in _PIECES:
        ids, wanted = _numbers(pattern.findall(text), pattern.findall(compressed))
        if _first_match(ids, wanted) is not None:
            return True
    return False


def _numbers(pieces: Sequence[str], wanted: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """The pieces as integers; a wanted piece that the text doesn't hold is -1."""
    numbers: dict[str, int] = {}
    ids = np.array([numbers.setdefault(piece, len(numbers)) for piece in pieces], dtype=np.int32)
    return ids, [numbers.get(piece, -1) for piece in wanted]


def _fewest_jumps(ids: np.ndarray, wanted: list[int]) -> list[int] | None:
    """Match `wanted` in order inside `ids`, with as many neighbours as possible.

    score[i]: neighbours gained when the current wanted piece is matched at position i. From one
    piece to the next either i - 1 -> i (a neighbour) or any earlier position -> i (a jump).
    """
    if not wanted:
        return []
    if not len(ids):
        return None
    impossible = np.int32(-(2**30))
    score = np.where(ids == wanted[0], 0, impossible).astype(np.int32)
    came_from = np.full((len(wanted), len(ids)), -1, dtype=np.int32)
    for row, piece in enumerate(wanted[1:], start=1):
        best_before, where = _running_best(score)
        neighbour = np.concatenate(([impossible], score[:-1] + 1))
        jump = np.concatenate(([impossible], best_before[:-1]))
        from_jump = np.concatenate(([-1], where[:-1]))
        came_from[row] = np.where(neighbour > jump, np.arange(-1, len(ids) - 1), from_jump)
        score = np.where(ids == piece, np.maximum(neighbour, jump), impossible)
    last = int(score.argmax())
    if score[last] < 0:
        return None
    chosen = [last]
    for row in range(len(wanted) - 1, 0, -1):
        chosen.append(int(came_from[row, chosen[-1]]))
    return chosen[::-1]


def _running_best(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maximum so far at every position, and the latest position that reached it."""
    best = np.maximum.accumulate(score)
    reached = np.where(score == best, np.arange(len(score)), -1)
    return best, np.maximum.accumulate(reached)


def _first_match(ids: np.ndarray, wanted: list[int]) -> list[int] | None:
    """The earliest position for every piece: linear in the length of the text."""
    chosen: list[int] = []
    position = 0
    pieces: list[int] = ids.tolist()
    for piece in wanted:
        try:
            position = pieces.index(piece, position)
        except ValueError:
            return None
        chosen.append(position)
        position += 1
    return chosen


def _merge(spans: Sequence[Span], positions: Sequence[int]) -> list[Span]:
    """Join the spans of pieces that are neighbours in the text."""
    merged: list[Span] = []
    for index, (start, end) in enumerate(spans):
        if merged and positions[index] == positions[index - 1] + 1:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
