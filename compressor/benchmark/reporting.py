"""What a report of many rows costs: `python -m compressor.benchmark.reporting [ROWS] [FOLDER]`.

Makes an output as `compress` leaves it, without the time that a model takes: the sample corpus is
compressed once, and its passages, each with a number of its own, fill shards of the default size,
written by the job's own code with real statistics and findings. Then the report is written. Prints
what each took in seconds, a shard's findings in bytes and milliseconds, and the page's size.
"""

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compressor.config import CompressConfig
from compressor.corpus.columns import added_fields, text_columns
from compressor.corpus.demo import corpus
from compressor.corpus.files import RowGroup, SourceFile
from compressor.corpus.plan import Plan
from compressor.corpus.shards import Piece, Shard, Shards
from compressor.corpus.storage import Storage
from compressor.corpus.write import write_shard
from compressor.engine.compressor import Compressor
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.prepare import Task
from compressor.pipeline.results import Results
from compressor.pipeline.reuse import row_keys
from compressor.pipeline.rows import CONFIDENCE, compress_table
from compressor.pipeline.signals import signals
from compressor.pipeline.statistics import statistics_of
from compressor.pipeline.summary import Report, write_summary
from compressor.report.write import write_report

ROWS, SHARD_ROWS = 1_000_000, 4096
COLUMNS = text_columns("text")
REPLICAS, SHARD_SECONDS = 8, 40.0
MEASURED = {"model_seconds": 38.0, "device": "cpu", "dtype": "bfloat16"}


@dataclass
class Made:
    """The output: where, and what its shards' findings took, in bytes and seconds of all."""

    shards: int
    findings_bytes: int = 0
    findings_seconds: float = 0.0


def make(target: Storage, rows: int) -> Made:
    """Write an output of so many rows."""
    config = CompressConfig.model_validate(
        {"input": {"path": "corpus"}, "output": {"path": target.url}}
    )
    base = _compressed(config)
    counts = [min(SHARD_ROWS, rows - at) for at in range(0, rows, SHARD_ROWS)]
    shards = Shards.of(
        Shard(at, (Piece("corpus.parquet", "1", at, at, count),), f"{at:016x}")
        for at, count in enumerate(counts)
    )
    made, ledger = Made(len(shards)), Ledger(len(shards))
    for shard in shards:
        ledger.add(shard.index, _entry(target, shard, base, made))
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    file = SourceFile("corpus.parquet", 0, "1", (RowGroup(rows, 0),), schema)
    plan = Plan((file,), schema, COLUMNS, shards)
    task = Task(config, target, target, "no digest", "no recipe")
    write_summary(task, plan, [Results(shards, ledger)], Report(None, None, 60.0))
    return made


def _compressed(config: CompressConfig) -> pa.Table:
    """The sample corpus as the job leaves it, with the rows' confidence."""
    texts = corpus().select(["id", "text"])
    model = Compressor.from_pretrained(config.model.name)
    table, _ = compress_table(texts, model, config.compression, COLUMNS, confident=True)
    return table


def _entry(target: Storage, shard: Shard, base: pa.Table, made: Made) -> dict[str, Any]:
    first = shard.index * SHARD_ROWS
    numbers = np.arange(first, first + shard.rows)
    table = base.take(pa.array(numbers % len(base)))
    named = pa.array(numbers).cast(pa.string())
    for name in ("id", "text", "compressed_text"):  # no two rows alike
        at = table.schema.get_field_index(name)
        table = table.set_column(
            at, name, pc.binary_join_element_wise(named, table.column(name), " ")
        )
    confidence = table.column(CONFIDENCE).to_numpy()
    table = table.drop_columns(CONFIDENCE)
    keys = row_keys(table, ["text"], None)
    started = time.perf_counter()
    findings = signals(table, shard.name, COLUMNS, keys, confidence)
    made.findings_seconds += time.perf_counter() - started
    made.findings_bytes += len(json.dumps(findings))
    statistics = statistics_of(table.select([f.name for f in added_fields(COLUMNS)]), COLUMNS)
    record = {"statistics": statistics.record(), "findings": findings}
    size = write_shard(target, shard.name, table, record)
    wave, replica = divmod(shard.index, REPLICAS)
    times = {"seconds": SHARD_SECONDS, "finished": 1.8e9 + SHARD_SECONDS * (wave + 1) + replica}
    measured = {**MEASURED, **times, "replica": f"10.0.0.{replica + 1} 1000"}
    return {**record, "measured": measured, "bytes": size}


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else scratch)
        target = Storage.at(str(folder), key="output.path")
        started = time.monotonic()
        made = make(target, rows)
        print(
            f"output    {rows:,} rows in {made.shards:,} files, {time.monotonic() - started:.1f} s"
        )
        print(
            f"findings  {made.findings_bytes / made.shards:,.0f} bytes and "
            f"{1000 * made.findings_seconds / made.shards:.1f} ms a shard"
        )
        started = time.monotonic()
        page = Path(write_report(target))
        print(f"report    {time.monotonic() - started:.1f} s, {page.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
