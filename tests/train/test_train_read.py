"""Passages from JSON lines and Parquet, on disk and on S3."""

import gzip
import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.errors import InputError
from compressor.train.passages import Passage
from compressor.train.read import read_passages, read_texts

ROW = {"id": "a", "domain": "docs", "text": "Some words.", "half": "words.", "quarter": "words"}


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_reads_plain_and_gzipped_lines_alike(tmp_path: Path) -> None:
    lines = json.dumps(ROW) + "\n\n" + json.dumps({**ROW, "id": "b", "extra": 1}) + "\n"
    plain = write(tmp_path / "rows.jsonl", lines)
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.encode()))
    assert read_passages(plain) == read_passages(packed)
    assert [passage.id for passage in read_passages(plain)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "not JSON"),
        ("[1]", "wants a JSON object"),
        (json.dumps({**ROW, "half": None}), "'half' must be a string"),
        (json.dumps({**ROW, "id": "b", "quarter": 3}), "'quarter' must be a string"),
        (json.dumps({**ROW, "id": "b", "keep": "words"}), "'keep' must be a list of strings"),
        (json.dumps({k: v for k, v in ROW.items() if k != "text"}), "'text' must be a string"),
        (json.dumps({**ROW, "text": " \n"}), "'text' is blank"),
        (json.dumps(ROW), "id 'a' was on line 1"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    path = write(tmp_path / "rows.jsonl", json.dumps(ROW), line)
    with pytest.raises(InputError, match=says) as caught:
        read_passages(path)
    assert f"{path}:2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_passages(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="holds no passages"):
        read_passages(write(tmp_path / "empty.jsonl", ""))
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(json.dumps(ROW).encode() * 50)[:40])
    with pytest.raises(InputError, match="can't be read"):
        read_passages(cut)


TABLE = {
    "id": ["a", "b", "c", "d"],
    "domain": [None, "docs", "docs", "docs"],
    "text": ["Some words here.", None, "Other words.", "More words."],
    "half": ["words here.", None, "words.", "More words."],
    "quarter": [None, None, "words", None],
    "status": ["ok", "refused", "ok", "ok"],
    "selected": [True, None, True, False],
    "usage": [1, 2, 3, 4],
}
GOOD = [
    Passage("a", "", "Some words here.", "words here.", None),
    Passage("c", "docs", "Other words.", "words.", "words"),
]


def test_parquet_of_the_job_distill_gives_its_good_rows(tmp_path: Path) -> None:
    (tmp_path / "_stats").mkdir()
    (tmp_path / "_stats" / "other.parquet").write_bytes(b"not for us")
    pq.write_table(pa.table(TABLE).slice(0, 2), tmp_path / "a.parquet")
    pq.write_table(pa.table(TABLE).slice(2), tmp_path / "b.parquet")
    said: list[str] = []
    assert read_passages(tmp_path, say=said.append) == GOOD
    assert said == [
        f"{tmp_path}: left out 1 rows with status refused, 1 rows that are not selected"
    ]
    assert read_passages(tmp_path / "*.parquet") == GOOD
    assert read_passages(tmp_path / "a.parquet") == GOOD[:1]


def test_parquet_with_only_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table({"id": [7], "text": ["Some words."], "half": ["words."]}), path)
    assert read_passages(path) == [Passage("7", "", "Some words.", "words.")]
    pq.write_table(pa.table({"id": [7], "text": ["Some words."]}), path)
    with pytest.raises(InputError, match=r"some\.parquet:1: 'half' must be a string"):
        read_passages(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"data\.path: .*some\.parquet: can't be read"):
        read_passages(path)


def test_ids_are_unique_over_all_files(tmp_path: Path) -> None:
    pq.write_table(pa.table(TABLE).slice(0, 1), tmp_path / "a.parquet")
    pq.write_table(pa.table(TABLE).slice(0, 1), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet:1: id 'a' was in .*a\.parquet:1 already"):
        read_passages(tmp_path)


def test_strings_to_keep(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", json.dumps({**ROW, "keep": ["words"]}))
    assert read_passages(path)[0].keep == ("words",)


def test_texts_without_labels(tmp_path: Path) -> None:
    lines = ({"text": "Some words."}, {"text": " "}, {"text": None}, {"id": 3, "text": "More."})
    path = write(tmp_path / "texts.jsonl", *map(json.dumps, lines))
    assert [(p.text, p.half) for p in read_texts(path)] == [("Some words.", None), ("More.", None)]
    with pytest.raises(InputError, match=r"data\.unlabelled: .*: holds no texts"):
        read_texts(write(tmp_path / "none.jsonl", json.dumps({"body": "Some words."})))


def test_passages_from_s3(s3_options: dict[str, Any]) -> None:
    storage = fsspec.filesystem("s3", **s3_options)
    storage.mkdir("teacher")
    with storage.open("teacher/labels/a.parquet", "wb") as file:
        pq.write_table(pa.table(TABLE), file)
    storage.pipe_file(
        "teacher/labels/b.jsonl.gz", gzip.compress(json.dumps(ROW | {"id": "z"}).encode())
    )
    found = read_passages("s3://teacher/labels/", options=s3_options)
    assert found[:2] == GOOD
    assert found[2].id == "z"
