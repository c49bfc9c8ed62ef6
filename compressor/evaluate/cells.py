"""Cells of the evaluation: one task, one contender, one rate; stored as soon as they are done.

A cell is two files, named after fingerprints of all that decides them: the compressions (which
tasks of the same texts share) and the scores. That a file is there is the record that it needn't be
computed again, whatever the contender is called and however the run ended.
"""

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.corpus.storage import Storage
from compressor.evaluate.budget import Budget
from compressor.evaluate.contenders.contender import Contender
from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.tasks.task import Scores, Task

Floats = npt.NDArray[np.float64]

FOLDER = "_cells"
_FORMAT = "cells 2"
ORIGINAL = "original"
"""What the uncompressed texts are called, which every task scores as well."""


@dataclass(frozen=True)
class Compressed:
    """What a contender made of some texts at a rate.

    texts: the compressions; achieved: tokens of all compressions / tokens of all texts; seconds: of
    compressing.
    """

    texts: Sequence[str]
    achieved: float
    seconds: float


@dataclass(frozen=True)
class Cell:
    """How a contender's compressions at a rate score in a task: float64 [items] each."""

    task: str
    contender: str
    rate: float
    compressed: Compressed
    scores: Mapping[str, Floats]


class Cells:
    """What is done, below `_cells` of the output, and how the rest is."""

    def __init__(self, output: Storage, budget: Budget) -> None:
        self._storage = Storage(f"{output.url.rstrip('/')}/{FOLDER}", output.options, output.key)
        self._budget = budget
        with self._storage.explained():
            self._storage.clear_scratch()
            self._there = set(self._storage.names())

    def cell(self, task: Task, contender: Contender, rate: float) -> tuple[Cell, bool]:
        """The cell, and whether all of it was stored already; what is missing is computed now.

        Raises `ValueError` where a contender or a task gives another number than it was given.
        """
        texts = list(task.texts())
        key = fingerprint(_FORMAT, contender.identity, texts, rate, self._budget.identity)
        compressions = f"compressions-{key}.json.gz"
        scores = f"scores-{fingerprint(key, task.name, task.identity)}.json.gz"
        stored = {compressions, scores} <= self._there

        if compressions in self._there:
            compressed = Compressed(**self._load(compressions))
        else:
            compressed = _compress(contender, texts, rate, self._budget)
            self._store(compressions, asdict(compressed))
        if scores in self._there:
            loaded = self._load(scores).items()
            found: Scores = {name: np.array(row, np.float64) for name, row in loaded}
        else:
            found = _score(task, compressed.texts)
            self._store(scores, {name: values.tolist() for name, values in found.items()})
        return Cell(task.name, contender.name, rate, compressed, found), stored

    def _load(self, name: str) -> Any:
        with self._storage.explained():
            return json.loads(gzip.decompress(self._storage.read(name)))

    def _store(self, name: str, data: Any) -> None:
        with self._storage.explained():
            self._storage.put(name, gzip.compress(json.dumps(data).encode(), mtime=0))
        self._there.add(name)


class Original:
    """The contender that changes nothing."""

    name = ORIGINAL
    identity = ORIGINAL

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:  # noqa: ARG002
        return list(texts)


def _compress(
    contender: Contender, texts: Sequence[str], rate: float, budget: Budget
) -> Compressed:
    started = time.monotonic()
    compressed = contender.compress(texts, rate)
    seconds = time.monotonic() - started
    if len(compressed) != len(texts):
        raise ValueError(f"{contender.name}: {len(compressed)} compressions of {len(texts)} texts")
    kept, all_tokens = (int(budget.count(some).sum()) for some in (compressed, texts))
    return Compressed(compressed, kept / max(1, all_tokens), seconds)


def _score(task: Task, compressed: Sequence[str]) -> Scores:
    scores = {name: np.asarray(row, np.float64) for name, row in task.score(compressed).items()}
    for name, values in scores.items():
        if values.shape != (len(task.items),):
            raise ValueError(
                f"{task.name}: {name!r} of shape {values.shape} for {len(task.items)} items"
            )
    return scores
