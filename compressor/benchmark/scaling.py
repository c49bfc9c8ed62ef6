"""How speed and memory change with the size of the corpus, the length of records, the replicas."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from compressor.benchmark.apart import started
from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contender import Contender, Skipped
from compressor.benchmark.jobparts import allocation
from compressor.benchmark.rayjob import JobTiming, time_job, write_corpus
from compressor.benchmark.rounds import WARM_UP, Entrant, Timing, time_rounds, warm_up
from compressor.engine.subwords import TokenCounter

Say = Callable[[str], None]
Load = Callable[[], Contender | Skipped]


def time_sizes(
    config: BenchmarkConfig, texts: Sequence[str], scratch: Path, say: Say
) -> list[JobTiming]:
    """The job on a corpus of each of `benchmark.curve` passages."""
    timings = []
    for rows in config.benchmark.curve:
        source = write_corpus(scratch / f"curve-{rows}", texts, rows)
        timings.append(time_job(config, source, say=say))
    return timings


def time_replicas(
    config: BenchmarkConfig, source: Path, say: Say
) -> list[tuple[int, float, JobTiming]]:
    """The job with each of `benchmark.replicas`: how many, the CPUs or GPUs of all, the runs.

    Unless `cluster.cpus_per_replica` says otherwise they share the CPUs.
    """
    timings = []
    for replicas in config.benchmark.replicas:
        cluster = config.cluster.model_copy(update={"replicas": replicas})
        some = config.model_copy(update={"cluster": cluster})
        timing = time_job(some, source, say=say)
        used = allocation(some, timing.runs[0].shards)
        timings.append((used.most, used.most * (used.gpus or used.threads), timing))
    return timings


def time_lengths(
    config: BenchmarkConfig, texts: Sequence[str], load: Load, counter: TokenCounter, say: Say
) -> list[tuple[int, Timing]]:
    """The engine on records of each of `benchmark.lengths` words, always the same words in all.

    Each length has a process of its own, so that its peak of memory is its own.
    """
    lengths = config.benchmark.lengths
    words = [word for text in texts for word in text.split()]
    total = max(len(words), *lengths)
    words = list(islice(cycle(words), total))
    with started([load] * len(lengths)) as loaded:
        entrants = []
        for length, runner in zip(lengths, loaded, strict=True):
            assert not isinstance(runner, Skipped)  # the engine was measured before
            runner.name = f"{length:,} words"
            records = records_of(words, length)
            tokens = int(counter.count(records).sum())
            few = min(WARM_UP, len(records))
            entrants.append(warm_up(Entrant(runner, records, tokens, few)))
        timings = time_rounds(entrants, rounds=config.benchmark.rounds, say=say)
    return list(zip(lengths, timings, strict=True))


def records_of(words: Sequence[str], length: int) -> list[str]:
    """The words in records of so many; the last may have fewer."""
    return [" ".join(words[at : at + length]) for at in range(0, len(words), length)]


def engine_speed(load: Load, texts: Sequence[str], tokens: int) -> Callable[[], float]:
    """What measures the engine's tokens/s now, in a process that ends before anything else runs."""
    return partial(_engine_speed, load, texts, tokens)


def _engine_speed(load: Load, texts: Sequence[str], tokens: int) -> float:
    with started([load]) as (engine,):
        assert not isinstance(engine, Skipped)
        entrant = warm_up(Entrant(engine, texts, tokens, len(texts)))
        (timing,) = time_rounds([entrant], rounds=1, say=lambda _: None)
    return timing.tokens_per_second
