"""The actor of the pipeline: a model, loaded once, that compresses shard after shard."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from compressor.config import CompressionSection, ModelSection
from compressor.corpus.columns import TextColumn
from compressor.errors import InputError
from compressor.pipeline.payload import pack, unpack
from compressor.pipeline.rows import compress_table, engine_options

if TYPE_CHECKING:
    from compressor.engine.compressor import Compressor

PROBE = "A first text shows whether the settings work with this model."


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """How a worker gets the model, and the threads it may use."""

    model: ModelSection
    storage_options: dict[str, Any]
    threads: int


def load(spec: ModelSpec) -> "Compressor":
    """Load the model in this process with the threads that are its own.

    Raises `InputError` for a model that can't be used.
    """
    _use_threads(spec.threads)
    from compressor.engine.compressor import Compressor

    return Compressor.from_pretrained(
        spec.model.name,
        device=spec.model.device,
        dtype=spec.model.dtype,
        max_batch_tokens=spec.model.max_batch_tokens,
        storage_options=spec.storage_options,
    )


def _use_threads(threads: int) -> None:
    """Ray starts workers with OMP_NUM_THREADS=1 or so, which would leave a replica one core."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    import torch

    torch.set_num_threads(threads)


class Replica:
    """What Ray Data calls with a block of shards."""

    def __init__(
        self,
        spec: ModelSpec,
        settings: CompressionSection,
        columns: Sequence[TextColumn],
        threshold: float | None,
    ) -> None:
        self._settings, self._columns, self._threshold = settings, columns, threshold
        self._compressor = load(spec)
        self._check_settings()

    def _check_settings(self) -> None:
        """Settings that the engine refuses must stop the job, not fail every row of it."""
        try:
            options = engine_options(self._settings)
            self._compressor.compress([PROBE], self._settings.rate, **options)
        except ValueError as error:
            raise InputError(f"compression: {error}") from error

    def __call__(self, block: pa.Table) -> pa.Table:
        return pa.concat_tables(self._compress(about, table) for about, table in unpack(block))

    def _compress(self, about: dict[str, Any], table: pa.Table) -> pa.Table:
        result, statistics = compress_table(
            table, self._compressor, self._settings, self._columns, self._threshold
        )
        about["statistics"] = statistics.record()
        about["measured"] = {
            "model_seconds": statistics.model_seconds,
            "seconds": statistics.seconds,
            "finished": time.time(),
            "device": str(self._compressor.device),
            "dtype": str(self._compressor.dtype),
        }
        return pack(about, result)
