"""Records as one self-contained HTML page: no script, no outside file, light and dark."""

from collections.abc import Sequence
from typing import Any

from compressor.report.render import render
from compressor.report.strike import Record, segments


def page(records: Sequence[Record], *, title: str) -> str:
    """The whole page; everything that came from data or configuration is escaped."""
    return render("records.html", title=title, records=[_shown(record) for record in records])


def _shown(record: Record) -> dict[str, Any]:
    """As the template of an example takes it."""
    return {
        "kind": None,
        "label": record.label,
        "counts": record.counts,
        "confidence": None,
        "pieces": list(segments(record.text, record.kept)),
        "compressed": record.compressed,
        "note": record.note,
    }
