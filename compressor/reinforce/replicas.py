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
from compressor.reinforce.judge import Judge, LocalJudge, Request, Verdict, judge_counter

MOST_RESTARTS = 3  # of a replica; a request that kills it each time fails the job


class Replica:
    """The actor."""

    def __init__(self, section: ReaderSection, tokenizer: str | None, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        keep_freed_memory()
        self._judge = LocalJudge(section, judge_counter(section, tokenizer))

    def judge(self, request: Request) -> Verdict:
        return self._judge.judge([request])[0]


class Replicas:
    """Judges by actors."""

    def __init__(self, actors: Sequence[Any]) -> None:
        self._actors = actors

    def judge(self, requests: Sequence[Request]) -> list[Verdict]:
        from ray.util import ActorPool

        with unwrapped():
            pool: Any = ActorPool(list(self._actors))
            return list(pool.map(lambda actor, request: actor.judge.remote(request), requests))


@contextmanager
def opened(config: ReinforceConfig, counter: TokenCounter) -> Iterator[Judge]:
    """The judge that `cluster` asks for, while the block runs: in this process, or on Ray.

    Raises `InputError` where the cluster lacks what is asked for.
    """
    if not config.cluster.replicas and config.cluster.address is None:
        yield LocalJudge(config.reader, counter)
        return
    wanted = config.cluster.placed()
    with session(config.cluster.address) as nodes, unwrapped():
        import ray

        most = config.training.questions
        share = allocate(wanted, nodes, device=config.reader.device, shards=most)
        actor: Any = ray.remote(Replica)
        actors = [
            actor.options(
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                max_restarts=MOST_RESTARTS,
                max_task_retries=MOST_RESTARTS,
            ).remote(config.reader, config.reward.tokenizer, share.threads)
            for _ in range(share.most)
        ]
        try:
            yield Replicas(actors)
        finally:
            for one in actors:
                ray.kill(one)
