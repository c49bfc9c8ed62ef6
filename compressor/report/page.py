"""Records as one self-contained HTML page: no script, no outside file, light and dark."""

from collections.abc import Sequence
from html import escape

from compressor.report.strike import Record, segments, visible

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --faint: light-dark(#6b6b6b, #9a9a9a);
  --line: light-dark(#dcdcdc, #3a3a3a); }}
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  font: 1rem/1.6 system-ui, sans-serif; }}
h1 {{ font-size: 1.3rem; }}
article {{ border-top: 1px solid var(--line); padding: .8rem 0; }}
header, summary, .note {{ color: var(--faint); font-size: .875rem; }}
header b {{ color: CanvasText; }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; }}
del {{ color: var(--faint); opacity: .75; }}
</style>
<h1>{title}</h1>
<p>Kept words are plain, <del>dropped words struck through</del>.</p>
{articles}
</html>
"""

_ARTICLE = """<article>
<header><b>{label}</b> · {counts}</header>
<div class="text" dir="auto">{text}</div>
{compressed}{note}</article>"""

_COMPRESSED = """<details><summary>Compressed text</summary>
<div class="text" dir="auto">{text}</div></details>
"""


def page(records: Sequence[Record], *, title: str) -> str:
    """The whole page; everything that came from data or configuration is escaped."""
    return _PAGE.format(
        title=_safe(title),
        articles="\n".join(_article(record) for record in records),
    )


def _article(record: Record) -> str:
    text = "".join(
        _safe(piece) if keep else f"<del>{_safe(piece)}</del>"
        for piece, keep in segments(record.text, record.kept)
    )
    note = f'<p class="note">{_safe(record.note)}</p>\n' if record.note else ""
    compressed = _COMPRESSED.format(text=_safe(record.compressed)) if record.compressed else ""
    return _ARTICLE.format(
        label=_safe(record.label),
        counts=record.counts,
        text=text,
        compressed=compressed,
        note=note,
    )


def _safe(text: str) -> str:
    return escape(visible(text))
