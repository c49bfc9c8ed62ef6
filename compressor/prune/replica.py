"""The actor of the pipeline: a policy, loaded once, that prunes shard after shard."""

import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from compressor.errors import JobError
from compressor.pipeline.failure import CRASHED
from compressor.pipeline.payload import pack, unpack
from compressor.pipeline.presence import attend
from compressor.pipeline.replica import own_name, record_attempt, use_threads
from compressor.pipeline.statistics import Statistics
from compressor.pipeline.tally import WORKING, Handle, begin_shard
from compressor.prune.config import PruneConfig
from compressor.prune.opinions import Opinions
from compressor.prune.pruner import Pruner
from compressor.prune.rows import prompts_for, scored_shots
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot

MOST_ATTEMPTS = 3  # of a shard whose replica died each time


def load(config: PruneConfig, threads: int) -> Pruner:
    """The pruner in this process. Raises `InputError` for a policy that can't be used."""
    use_threads(threads)
    return Pruner(
        config.policy.path,
        storage_options=config.policy.storage_options,
        encoder=config.policy.encoder,
        tokenizer=config.prompt.tokenizer,
        device=config.policy.device,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each table.

    pool: a reference to the pool and to the policy's opinions of it, where these pay, in a list, so
    that Ray hands it on; None where rows are shots.
    """

    config: PruneConfig
    threads: int
    pool: Any

    def do(self, table: pa.Table, pruner: Pruner, pool: Pool | None) -> tuple[pa.Table, Statistics]:
        config = self.config
        if pool is None:
            return scored_shots(
                table,
                pruner,
                question_column=config.pool.question_column,
                solution_column=config.pool.solution_column,
            )
        return prompts_for(
            table,
            pruner,
            pool,
            column=config.questions.question_column,
            budget=config.prompt.budget,
            candidates=config.prompt.candidates,
            apart=config.prompt.leave_out_itself,
        )


class Replica:
    """What Ray Data calls with a block of shards."""

    def __init__(self, work: Work, tally: Handle) -> None:
        import ray

        show = attend(tally)

        self._work, self._tally = work, tally
        self._pool: Pool | None = None
        known: Opinions | None = None
        if work.pool is not None:
            self._pool, known = ray.get(work.pool[0])
        self._failure: Exception | None = None
        try:
            self._pruner = load(work.config, work.threads)
            self._pruner.know(known)
            show(WORKING)
        except Exception as error:  # for the first shard to tell: an actor that ends here is
            self._failure = error  # replaced as if its machine had gone

    def __call__(self, block: pa.Table) -> pa.Table:
        if self._failure is not None:
            raise self._failure
        return pa.concat_tables(self._prune(about, table) for about, table in unpack(block))

    def _prune(self, about: dict[str, Any], table: pa.Table) -> pa.Table:
        if begin_shard(self._tally, about["index"]) >= MOST_ATTEMPTS:
            raise JobError(CRASHED)
        started = time.time()
        result, statistics = self._work.do(table, self._pruner, self._pool)
        about["statistics"] = statistics.record()
        about["measured"] = {
            "queue_seconds": max(0.0, started - about["read"]),
            "seconds": time.time() - started,
            "finished": time.time(),
            "device": self._work.config.policy.device,
            "dtype": "float32",
            "replica": own_name(),
        }
        record_attempt(about, self._tally)
        return pack(about, result)


class Embedder:
    """Embeds a pool, part by part, and asks the policy about it where `asks`."""

    def __init__(self, config: PruneConfig, threads: int, asks: bool) -> None:
        self._pruner = load(config, threads)
        self._asks = asks

    def look(self, shots: list[Shot]) -> tuple[Any, Opinions | None]:
        """Embeddings, float32 [n, D], and opinions."""
        embeddings = self._pruner.encoder.embed([shot.question for shot in shots])
        return embeddings, self._pruner.opinions(shots)[0] if self._asks else None
