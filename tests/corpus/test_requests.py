"""How many requests a corpus on S3 takes, counted on a real server: what the README multiplies."""

import os
from collections import Counter
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.columns import text_columns
from compressor.corpus.plan import plan_corpus
from compressor.corpus.read import read_shards
from compressor.corpus.shards import read_units
from compressor.corpus.storage import Storage
from compressor.corpus.write import each_record, write_shard
from tests.s3_proxy import proxied

FILES, GROUPS, ROWS = 3, 4, 50


def test_requests_of_a_shard(s3_server: str, s3_options: dict[str, Any]) -> None:
    bucket = f"counted-{os.urandom(4).hex()}"
    filesystem = fsspec.filesystem("s3", **s3_options)
    filesystem.mkdir(bucket)
    texts = [os.urandom(2000).hex() for _ in range(GROUPS * ROWS)]  # 200 KB a row group
    for number in range(FILES):
        with filesystem.open(f"{bucket}/in/{number}.parquet", "wb") as file:
            pq.write_table(pa.table({"text": texts}), file, row_group_size=ROWS)
    seen: Counter[str] = Counter()

    def before(method: str, path: str) -> None:
        seen["LIST" if method == "GET" and "list-type" in path else method] += 1

    def since() -> dict[str, int]:
        counted = dict(seen)
        seen.clear()
        return counted

    with proxied(s3_server, before) as url:
        options = {**s3_options, "endpoint_url": url}
        source = Storage(f"s3://{bucket}/in", options, "input.path")
        target = Storage(f"s3://{bucket}/out", options, "output.path")
        plan = plan_corpus(
            source, columns=text_columns("text"), rate_column=None, rows_per_shard=ROWS, recipe="r"
        )
        planning = since()
        assert len(plan.shards) == FILES * GROUPS
        assert planning["GET"] == FILES  # a footer each
        source.open()[0].invalidate_cache()  # a worker hasn't listed the input
        for unit in read_units(plan.shards):
            for shard, table in zip(unit, read_shards(source, unit, plan.schema), strict=True):
                write_shard(target, shard.name, table, {"statistics": {}})
        work = since()
        shards = len(plan.shards)
        print("planning", planning, "work", work)
        assert work == {"HEAD": shards, "GET": 2 * shards, "PUT": shards}
        assert len(dict(each_record(target, target.names()))) == shards
        print("rerun", since())
