"""A sample corpus that every machine has: the language reference inside Python, cut into passages.

`pydoc_data.topics` holds what `help("topic")` prints: real prose with code, tables and lists, no
download and no licence question. The same Python gives the same files, byte for byte.

    python -m compressor.corpus.demo FOLDER
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = 150  # a passage ends with the first paragraph that brings it to this many
FILES = 4

_HEADING = re.compile(r"[^\w\s]{3,}$")  # the underline of a heading: ****, ====, ----


def write_corpus(directory: str | Path) -> int:
    """Write the passages as a few Parquet files below `directory`; return how many there are."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    table = corpus()
    size = -(-len(table) // FILES)
    for number in range(FILES):
        part, path = table.slice(number * size, size), folder / f"topics-{number}.parquet"
        if not _holds(path, part):  # a file written anew would be a changed input to the job
            pq.write_table(part, path)
    return len(table)


def corpus() -> pa.Table:
    """The passages of all topics, in order, with the columns id, topic, position and text."""
    rows = [
        {"id": f"{topic}-{position}", "topic": topic, "position": position, "text": text}
        for topic in sorted(topics)
        for position, text in enumerate(passages(topics[topic]))
    ]
    schema = pa.schema(
        {"id": pa.string(), "topic": pa.string(), "position": pa.int32(), "text": pa.string()}
    )
    return pa.Table.from_pylist(rows, schema)


def passages(text: str, words: int = WORDS) -> Iterator[str]:
    """Cut `text` at paragraph ends into passages of at least `words` words (the last may be less).

    The fixed line width of the source is undone in paragraphs of prose; code, tables and headings
    keep their lines.
    """
    passage: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        passage.append(_unwrap(paragraph))
        if sum(len(part.split()) for part in passage) >= words:
            yield "\n\n".join(passage)
            passage = []
    if passage:
        yield "\n\n".join(passage)


def _holds(path: Path, table: pa.Table) -> bool:
    try:
        return bool(pq.read_table(path).equals(table))
    except (OSError, pa.ArrowException):
        return False


def _unwrap(paragraph: str) -> str:
    lines = paragraph.split("\n")
    prose = not any(line[:1].isspace() or _HEADING.match(line) for line in lines)
    return " ".join(lines) if prose else paragraph


if __name__ == "__main__":
    target = sys.argv[1]
    print(f"{write_corpus(target)} passages of Python's language reference in {target}")
