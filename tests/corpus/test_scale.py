"""Plans of many files and shards: from a real S3 server, and over a simulated listing."""

import io
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.corpus.columns import text_columns
from compressor.corpus.plan import plan_corpus
from compressor.corpus.storage import Storage

FILES = 5_000


def test_shards_of_a_large_plan_and_their_results_cost_the_driver_little() -> None:
    command = [sys.executable, "-m", "compressor.benchmark.planning", "20000"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    imports, _, plan, _, results, _, lineage = map(float, told.split())
    assert (plan - imports) * 2**20 / 20_000 < 1500  # bytes a shard
    assert (results - plan) * 2**20 / 20_000 < 2500  # of it 600 for the lines of a wave
    assert (lineage - results) * 2**20 / 20_000 < 10_500  # most of it packed findings


@pytest.mark.slow
def test_five_thousand_files_are_planned_from_s3(s3_options: dict[str, Any]) -> None:
    bucket = f"many-{os.urandom(4).hex()}"
    filesystem = fsspec.filesystem("s3", **s3_options)
    filesystem.mkdir(bucket)
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["some words", "more words"]}), sink)

    def put(number: int) -> None:
        filesystem.pipe_file(f"{bucket}/in/{number:05d}.parquet", sink.getvalue())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(FILES)))
    storage = Storage.at(f"s3://{bucket}/in", s3_options, key="input.path")

    started = time.monotonic()
    plan = plan_corpus(
        storage, columns=text_columns("text"), rate_column=None, rows_per_shard=100, recipe="r"
    )
    print(f"{FILES} files planned in {time.monotonic() - started:.1f} s")

    assert (len(plan.files), plan.rows, len(plan.shards)) == (FILES, 2 * FILES, 2 * FILES // 100)
