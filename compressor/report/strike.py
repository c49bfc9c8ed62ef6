"""A record with its kept words plain and its dropped words struck through, as text or for `rich`.

Texts come from anywhere: nothing in them may reach a terminal as a control sequence, so every
character that isn't printable is shown by its code.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

Span = tuple[int, int]

DROPPED = "dim strike"
# C0 and C1 controls (tab and line feed are harmless), bidirectional overrides, lone surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Record:
    """What is shown of one text: `kept` are the spans of `text` that `compressed` is made of."""

    label: str
    text: str
    kept: Sequence[Span]
    original_tokens: int
    compressed_tokens: int
    note: str | None = None
    compressed: str | None = None

    @property
    def counts(self) -> str:
        share = self.compressed_tokens / self.original_tokens if self.original_tokens else 1.0
        return f"{self.original_tokens:,} → {self.compressed_tokens:,} tokens ({share:.0%})"


def segments(text: str, kept: Sequence[Span]) -> Iterator[tuple[str, bool]]:
    """Cut `text` into (piece, is kept); blanks around what is dropped count as kept."""
    position = 0
    for start, end in [*kept, (len(text), len(text))]:
        yield from _dropped(text[position:start])
        if start < end:
            yield text[start:end], True
        position = end


def visible(text: str) -> str:
    """`text` with every control character, override and lone surrogate replaced by its code."""
    return _UNSAFE.sub(_code, text.replace("\r\n", "\n"))


def styled(record: Record) -> Text:
    """The record's text for a terminal: dropped words dim and struck through."""
    text = Text()
    for piece, keep in segments(record.text, record.kept):
        text.append(visible(piece), None if keep else DROPPED)
    return text


def plain(record: Record) -> str:
    """The record's text without colours: dropped words as [-words-]."""
    return "".join(
        visible(piece) if keep else f"[-{visible(piece)}-]"
        for piece, keep in segments(record.text, record.kept)
    )


def _dropped(gap: str) -> Iterator[tuple[str, bool]]:
    core = gap.strip()
    if not core:
        if gap:
            yield gap, True
        return
    start = gap.index(core)
    for piece, keep in (
        (gap[:start], True),
        (core, False),
        (gap[start + len(core) :], True),
    ):
        if piece:
            yield piece, keep


def _code(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
