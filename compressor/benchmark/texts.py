"""The texts that every contender gets. Input: a path or none; output: a list of strings."""

import io
import json
from collections.abc import Iterator

import fsspec
import pyarrow.parquet as pq

from compressor.corpus import demo
from compressor.corpus.files import source_files
from compressor.corpus.storage import Storage
from compressor.errors import InputError

KEY = "benchmark.texts"


def load_texts(path: str | None, column: str, count: int) -> list[str]:
    """The first `count` texts that aren't blank, or as many as there are.

    Raises `InputError` where the path can't be read or holds no such column.
    """
    if path is None:
        source = iter(demo.corpus()["text"].to_pylist())
    elif ".jsonl" in path:
        source = _lines(path, column)
    else:
        source = _parquet(path, column)
    texts: list[str] = []
    for text in source:
        if isinstance(text, str) and text.strip():
            texts.append(text)
        if len(texts) == count:
            break
    if not texts:
        raise InputError(f"{KEY}: {path}: holds no text in {column!r}")
    return texts


def _lines(path: str, column: str) -> Iterator[str]:
    with (
        Storage.at(path, key=KEY).explained(),
        fsspec.open(path, "rt", encoding="utf-8", compression="infer") as lines,
    ):
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)[column]
            except (ValueError, KeyError, TypeError):
                raise InputError(
                    f"{KEY}: {path} line {number}: no JSON object with {column!r}"
                ) from None


def _parquet(path: str, column: str) -> Iterator[str]:
    storage = Storage.at(path, key=KEY)
    filesystem, _ = storage.open()
    for file in source_files(storage):
        if column not in file.schema.names:
            raise InputError(
                f"{KEY}: {file.path}: no column {column!r}; "
                f"there are {', '.join(file.schema.names)}"
            )
        content = pq.ParquetFile(io.BytesIO(filesystem.cat_file(file.path)))
        for batch in content.iter_batches(columns=[column]):
            yield from batch.column(0).to_pylist()
