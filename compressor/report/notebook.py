"""One compressed text as a piece of HTML for a notebook: kept words plain, dropped words struck.

Colours are the notebook's own, light or dark, and faded by opacity. There is no style sheet and no
script, so that nothing of it touches other cells and whatever a viewer strips, `<del>` remains.
"""

from collections.abc import Sequence
from html import escape

from compressor.report.strike import Record, Span, segments, visible

MOST_CHARACTERS = 10_000  # of the original; a notebook keeps what it shows in its file

_FRAGMENT = (
    '<div style="max-width: 46rem; line-height: 1.5">'
    '<div style="opacity: .7; font-size: .875em">{head}</div>'
    '<div dir="auto" style="white-space: pre-wrap; overflow-wrap: anywhere">{text}</div>'
    "{more}</div>"
)
_NOTE = '<div style="opacity: .7; font-size: .875em">{}</div>'
_DROPPED = '<del style="opacity: .6">{}</del>'


def fragment(
    text: str,
    kept: Sequence[Span],
    original_tokens: int,
    compressed_tokens: int,
    note: str | None = None,
) -> str:
    """The first `MOST_CHARACTERS` of `text` with what isn't in `kept` struck through.

    Everything that came from data is escaped, control characters are shown by their codes.
    """
    shown = text[:MOST_CHARACTERS]
    spans = [(start, min(end, len(shown))) for start, end in kept if start < len(shown)]
    left = len(text) - len(shown)
    notes = [note] if note else []
    notes += [f"… {left:,} more characters"] if left else []
    return _FRAGMENT.format(
        head=escape(Record("", "", (), original_tokens, compressed_tokens).counts),
        text="".join(
            escape(visible(piece)) if keep else _DROPPED.format(escape(visible(piece)))
            for piece, keep in segments(shown, spans)
        ),
        more="".join(_NOTE.format(escape(visible(line))) for line in notes),
    )
