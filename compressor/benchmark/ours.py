"""This project's contenders: the machine's limit, the bare forward pass, the engine, its parts."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contender import Contender, Measured, Task, plain
from compressor.benchmark.flops import work_of
from compressor.benchmark.parts import by_part, prepared_for, scorer_of
from compressor.benchmark.products import rates
from compressor.engine.compressor import Compressor


def load_ours(name: str, config: BenchmarkConfig, checkpoint: str) -> Contender:
    """One of ours by its name; `checkpoint` is the folder of the weights."""
    engine = Compressor.from_pretrained(
        checkpoint,
        device=config.model.device,
        dtype="float32" if name == "engine-float32" else config.model.dtype,
        max_batch_tokens=config.model.max_batch_tokens,
    )
    rate = config.compression.rate
    if name == "limit":
        return _limit(engine, checkpoint)
    if name == "forward":
        return _forward(engine)
    if name == "engine-parts":
        return _parts(engine, rate)
    return plain(
        name,
        f"this project, {engine.dtype}, compressed texts",
        lambda texts: engine.compress(texts, rate),
    )


def _limit(engine: Compressor, checkpoint: str) -> Contender:
    """The seconds that the products of the forward pass take at the rate of this machine's best.

    Measured anew each time, so that a machine that slows down shows.
    """
    work = work_of(checkpoint)
    scorer = scorer_of(engine)

    def ready(texts: Sequence[str]) -> Task:
        sizes = [chunk.sizes for chunk in prepared_for(engine, texts)]
        lengths = np.concatenate([np.zeros(0, np.int64), *sizes]) + scorer.form.specials
        operations = work.of(lengths)

        def task() -> Measured:
            found = rates(scorer.device)
            return Measured(operations / found[engine.dtype], {"operations": operations, **found})

        return task

    about = f"operations of the forward pass / {engine.dtype} rate of large matrix products"
    return Contender("limit", about, ready)


def _forward(engine: Compressor) -> Contender:
    scorer = scorer_of(engine)

    def ready(texts: Sequence[str]) -> Task:
        items = [(chunk.batch.subwords.ids, chunk.windows) for chunk in prepared_for(engine, texts)]

        def task() -> None:
            deque(scorer.score(items), maxlen=0)

        return task

    about = f"the engine's forward pass alone, {engine.dtype}; tokenised outside the clock"
    return Contender("forward", about, ready)


def _parts(engine: Compressor, rate: float) -> Contender:
    def ready(texts: Sequence[str]) -> Task:
        def task() -> Measured:
            seconds, words = by_part(engine, texts, rate)
            return Measured(details={"seconds": seconds, "words": words})

        return task

    about = f"the engine's parts one after the other, {engine.dtype}, nothing overlapped"
    return Contender("engine-parts", about, ready)
