"""One threshold for a whole corpus (`compression.scope: corpus`), from a sample of its rows.

With `compression.coarse: sentence` a second one, of sentences, comes with it.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TypeVar

import pyarrow as pa

from compressor.config import CompressionSection
from compressor.corpus.plan import Plan
from compressor.corpus.read import read_shards
from compressor.corpus.shards import Shard, read_units
from compressor.corpus.storage import Storage
from compressor.engine.compression import Threshold
from compressor.engine.passages import Text, joined
from compressor.pipeline.replica import ModelSpec, load
from compressor.pipeline.resources import Allocation
from compressor.pipeline.rows import contents_of, engine_options

Item = TypeVar("Item")
SAMPLE_ROWS = 2000
SAMPLE_SHARDS = 32  # shards that are read for it: row groups from all over the corpus


def threshold_for(
    storage: Storage,
    plan: Plan,
    spec: ModelSpec,
    settings: CompressionSection,
    allocation: Allocation,
) -> tuple[Threshold, float]:
    """The threshold, and the seconds that the model took for it; found by one Ray task."""
    import ray

    names = [column.name for column in plan.columns]
    shards = spread(plan.shards, SAMPLE_SHARDS)
    remote = ray.remote(
        num_cpus=allocation.cpus, num_gpus=allocation.gpus, max_retries=2, max_calls=1
    )(_calibrate)
    found: tuple[Threshold, float] = ray.get(
        remote.remote(storage, shards, plan.schema, names, spec, settings)
    )
    return found


def _calibrate(
    storage: Storage,
    shards: Sequence[Shard],
    schema: pa.Schema,
    names: Sequence[str],
    spec: ModelSpec,
    settings: CompressionSection,
) -> tuple[Threshold, float]:
    texts = sample(storage, shards, schema, names)
    options = engine_options(settings)
    options.pop("target_tokens")
    model = load(spec)
    started = perf_counter()
    calibration = model.calibrate(texts, settings.rate, **options)
    return calibration.threshold, perf_counter() - started


def sample(
    storage: Storage, shards: Sequence[Shard], schema: pa.Schema, names: Sequence[str]
) -> list[Text]:
    """The same texts for the same plan: rows at equal distances from each of the shards."""
    texts: list[Text] = []
    for unit in read_units(shards):
        for table in read_shards(storage, unit, schema, names):
            for name in names:
                texts += spread(usable_texts(table.column(name)), SAMPLE_ROWS // len(shards))
    return texts


def usable_texts(column: pa.ChunkedArray) -> list[Text]:
    """The texts, or lists of passages, of a column that are neither null, blank nor broken."""
    return [
        text
        for text in contents_of(column)
        if isinstance(text, str | tuple) and joined(text).strip()
    ]


def spread(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most `most` of the items, at equal distances."""
    if len(items) <= most:
        return items
    return [items[len(items) * i // most] for i in range(most)]
