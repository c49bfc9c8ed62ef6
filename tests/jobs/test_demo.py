import re
from pathlib import Path
from pydoc_data.topics import topics

import pyarrow.parquet as pq

from compressor.corpus.demo import FILES, WORDS, corpus, passages, write_corpus


def words(text: str) -> list[str]:
    return text.split()


def test_passages_end_with_paragraphs_and_lose_no_word() -> None:
    for text in topics.values():
        cut = list(passages(text))
        assert words("\n\n".join(cut)) == words(text)
        for passage in cut[:-1]:
            assert len(words(passage)) >= WORDS
            before, _, _ = passage.rpartition("\n\n")
            assert len(words(before)) < WORDS


def test_prose_is_unwrapped_and_code_is_not() -> None:
    text = "A heading\n=========\n\nProse over\ntwo lines.\n\n   code\n   more code\n"
    assert list(passages(text)) == [
        "A heading\n=========\n\nProse over two lines.\n\n   code\n   more code"
    ]


def test_the_corpus_is_several_files_and_written_once(tmp_path: Path) -> None:
    rows = write_corpus(tmp_path)
    files = sorted(tmp_path.iterdir())
    before = [file.stat().st_mtime_ns for file in files]
    assert len(files) == FILES
    table = pq.read_table(tmp_path)
    assert table.num_rows == rows > 300
    assert table.schema.names == ["id", "topic", "position", "text"]
    assert len(set(table["id"].to_pylist())) == rows
    assert all(re.search(r"\w", text) for text in table["text"].to_pylist())
    assert write_corpus(tmp_path) == rows
    assert [file.stat().st_mtime_ns for file in files] == before


def test_the_corpus_is_made_anew_where_a_file_is_damaged(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    damaged = min(tmp_path.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:100])
    write_corpus(tmp_path)
    assert pq.read_table(tmp_path).equals(corpus())
