"""Judge replicas as Ray actors: each holds the language model, requests go to whoever is free."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from compressor.engine.memory import keep_freed_memory
from compressor.engine.subwords import TokenCounter
from compressor.pipeline.failure import unwrapped
from compressor.pipeline.resources import allocate
from compressor.pipeline.session import session
from compressor.reader.config import ReaderSection
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import (
    Judge,
    LocalJudge,
    Request,
    Verdict,
    grouped,
    judge_counter,
)

MOST_RESTARTS = 3  # of a replica; a request that kills it each time fails the job


class Replica:
    """The actor."""

    def __init__(
        self, section: ReaderSection, tokenizer: str | None, threads: int, questions_at_once: int
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        keep_freed_memory()
        self._judge = LocalJudge(section, judge_counter(section, tokenizer), questions_at_once)

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        return self._judge.judge(requests)


class Replicas:
    """Judges by actors."""

    def __init__(self, actors: Sequence[Any], questions_at_once: int) -> None:
        self._actors, self._at_once = actors, questions_at_once

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        from ray.util import ActorPool

        with unwrapped():
            pool: Any = ActorPool(list(self._actors))
            found = pool.map(
                lambda actor, some: actor.judge.remote(some), grouped(requests, self._at_once)
            )
            return [verdict for verdicts in found for verdict in verdicts]


@contextmanager
def opened(config: ReinforceConfig, counter: TokenCounter) -> Iterator[Judge]:
    """The judge that `cluster` asks for, while the block runs: in this process, or on Ray.

    Raises `InputError` where the cluster lacks what is asked for.
    """
    if not config.cluster.replicas and config.cluster.address is None:
        yield LocalJudge(config.reader, counter, config.cluster.questions_at_once)
        return
    wanted = config.cluster.placed()
    with session(config.cluster.address) as nodes, unwrapped():
        import ray

        at_once = config.cluster.questions_at_once
        most = -(-config.training.questions // at_once)
        share = allocate(wanted, nodes, device=config.reader.device, shards=most)
        actor: Any = ray.remote(Replica)
        actors = [
            actor.options(
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                max_restarts=MOST_RESTARTS,
                max_task_retries=MOST_RESTARTS,
            ).remote(config.reader, config.reward.tokenizer, share.threads, at_once)
            for _ in range(share.most)
        ]
        try:
            yield Replicas(actors, at_once)
        finally:
            for one in actors:
                ray.kill(one)
