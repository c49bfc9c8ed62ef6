"""Questions with answers and passages, enough to evaluate on."""

import json
from pathlib import Path
from typing import Any

ROWS: list[dict[str, Any]] = [
    {
        "id": "crew",
        "question": "who led the crew?",
        "answers": ["Ada Byron"],
        "text": "In 1969 a crew that was led by Ada Byron of London did not reach 40 km.",
    },
    {
        "id": "corpus",
        "question": "what is a large set of texts?",
        "answers": ["a corpus"],
        "text": "A corpus is a large set of texts; most of their words carry little information.",
    },
    {
        "id": "moon",
        "question": "how long did they stay on the moon?",
        "answers": ["21 hours", "two days"],
        "text": "In 1969 two people walked on the Moon. They stayed for 21 hours and 36 minutes.",
    },
    {
        "id": "parquet",
        "question": "what keeps a table by columns?",
        "answers": ["Parquet"],
        "text": "Parquet keeps a table by columns, which is what makes it small and quick to read.",
    },
    {
        "id": "unanswered",
        "question": "which animal is striped?",
        "answers": ["the zebra"],
        "text": "The quick brown fox jumps over the lazy dog, and then sleeps until the morning.",
    },
    {
        "id": "trained on",
        "question": "what does compression delete?",
        "answers": ["words"],
        "text": "Compression deletes the words that a reader would not miss.",
    },
]
TRAINED_ON: list[dict[str, Any]] = [{"id": "trained on", "text": "anything"}]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path
