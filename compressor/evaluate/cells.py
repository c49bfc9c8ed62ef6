"""Cells of the evaluation: one task, one contender, one rate; stored as soon as it is done.

A cell's file is named after the fingerprint of all that decides it, so its existence is the record
that it needn't be computed again, whatever the contender is called and however the run ended.
"""

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.corpus.storage import Storage
from compressor.evaluate.budget import Budget
from compressor.evaluate.contenders.contender import Contender
from compressor.evaluate.inputs import fingerprint
from compressor.evaluate.tasks.task import Task

Floats = npt.NDArray[np.float64]

FOLDER = "_cells"
_FORMAT = "cell 1"
ORIGINAL = "original"
"""What the uncompressed texts are called, which every task scores as well."""


@dataclass(frozen=True)
class Cell:
    """What a contender made of a task's texts at a rate, and how that scores.

    rate: asked for; achieved: tokens of all compressions / tokens of all texts; seconds: of
    compressing; compressed: one a text; scores: float64 [items] each.
    """

    task: str
    contender: str
    rate: float
    achieved: float
    seconds: float
    compressed: Sequence[str]
    scores: Mapping[str, Floats]


class Cells:
    """Those that are done, below `_cells` of the output."""

    def __init__(self, output: Storage) -> None:
        folder = Storage(f"{output.url.rstrip('/')}/{FOLDER}", output.options, output.key)
        self._storage = folder
        with folder.explained():
            folder.clear_scratch()
            self._there = set(folder.names())

    def load(self, key: str, contender: str) -> Cell | None:
        """The stored cell of that fingerprint, under the contender's present name, or None."""
        if (name := _file(key)) not in self._there:
            return None
        data = json.loads(gzip.decompress(self._storage.read(name)))
        scores = {name: np.array(values, np.float64) for name, values in data["scores"].items()}
        return Cell(**{**data, "contender": contender, "scores": scores})

    def store(self, key: str, cell: Cell) -> None:
        scores = {name: values.tolist() for name, values in cell.scores.items()}
        data = {**cell.__dict__, "compressed": list(cell.compressed), "scores": scores}
        name = _file(key)
        self._storage.put(name, gzip.compress(json.dumps(data).encode(), mtime=0))
        self._there.add(name)


def cell_key(task: Task, contender: Contender, rate: float, budget: Budget) -> str:
    """The fingerprint of all that decides a cell."""
    return fingerprint(
        _FORMAT,
        task.name,
        task.identity,
        list(task.texts()),
        contender.identity,
        rate,
        budget.identity,
    )


def compute(task: Task, contender: Contender, rate: float, budget: Budget) -> Cell:
    """Compress and score. Raises `ValueError` where a contender or a task gives too few."""
    texts = list(task.texts())
    started = time.monotonic()
    compressed = contender.compress(texts, rate)
    seconds = time.monotonic() - started
    if len(compressed) != len(texts):
        raise ValueError(f"{contender.name}: {len(compressed)} compressions of {len(texts)} texts")
    scores = {
        name: np.asarray(values, np.float64) for name, values in task.score(compressed).items()
    }
    for name, values in scores.items():
        if values.shape != (len(task.items),):
            raise ValueError(
                f"{task.name}: {name!r} of shape {values.shape} for {len(task.items)} items"
            )
    return Cell(
        task=task.name,
        contender=contender.name,
        rate=rate,
        achieved=int(budget.count(compressed).sum()) / max(1, int(budget.count(texts).sum())),
        seconds=seconds,
        compressed=compressed,
        scores=scores,
    )


def _file(key: str) -> str:
    return f"{key}.json.gz"


class Original:
    """The contender that changes nothing."""

    name = ORIGINAL
    identity = ORIGINAL

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:  # noqa: ARG002
        return list(texts)
