"""The results as files: results.json, results.md, plots, and Parquet with every item and text."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.storage import Storage
from compressor.engine.subwords import encodable
from compressor.evaluate.cells import Cell
from compressor.evaluate.markdown import markdown
from compressor.evaluate.plots import draw
from compressor.evaluate.tasks.task import Task

PLOTS = "plots"


def write(
    output: Storage,
    tasks: Sequence[Task],
    cells: Mapping[str, Sequence[Cell]],
    results: dict[str, Any],
) -> list[str]:
    """Write everything below `output`; returns the paths.

    items.parquet: task, contender, rate, item, score (its name), value. texts.parquet: task,
    contender, rate, text (its number), original, compressed.
    """
    files = {
        "results.json": json.dumps(results, indent=2, allow_nan=False).encode() + b"\n",
        "results.md": markdown(results).encode("utf-8", "surrogatepass"),
        "items.parquet": _parquet(pa.concat_tables(_items(t, c) for t, c in _each(tasks, cells))),
        "texts.parquet": _parquet(pa.concat_tables(_texts(t, c) for t, c in _each(tasks, cells))),
    }
    files |= {f"{PLOTS}/{name}": content for name, content in draw(results)}
    with output.explained():
        for name, content in files.items():
            output.put(name, content)
        output.clear_scratch()
    return [f"{output.url.rstrip('/')}/{name}" for name in files]


def _each(tasks: Sequence[Task], cells: Mapping[str, Sequence[Cell]]) -> list[tuple[Task, Cell]]:
    return [(task, cell) for task in tasks for cell in cells[task.name]]


def _items(task: Task, cell: Cell) -> pa.Table:
    n, names = len(task.items), list(cell.scores)
    return pa.table(
        {
            **_labels(cell, n * len(names)),
            "item": pa.array([encodable(item) for item in task.items] * len(names), pa.string()),
            "score": pa.array(np.repeat(names, n).tolist(), pa.string()),
            "value": pa.array(np.concatenate([cell.scores[name] for name in names])),
        }
    )


def _texts(task: Task, cell: Cell) -> pa.Table:
    texts = task.texts()
    return pa.table(
        {
            **_labels(cell, len(texts)),
            "text": pa.array(range(len(texts)), pa.int64()),
            "original": pa.array([encodable(text) for text in texts], pa.string()),
            "compressed": pa.array(
                [encodable(text) for text in cell.compressed.texts], pa.string()
            ),
        }
    )


def _labels(cell: Cell, rows: int) -> dict[str, pa.Array]:
    return {
        "task": pa.array([cell.task] * rows, pa.string()),
        "contender": pa.array([cell.contender] * rows, pa.string()),
        "rate": pa.array([cell.rate] * rows, pa.float64()),
    }


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()
