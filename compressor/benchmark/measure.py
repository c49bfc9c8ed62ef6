"""The benchmark from configuration to result: texts, contenders in rounds, the job, the curves."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.benchmark.apart import started
from compressor.benchmark.architecture import write_random
from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contender import Skipped
from compressor.benchmark.contenders import OURS, SLOW, load_of, loads_of, wanted
from compressor.benchmark.distinct import distinct
from compressor.benchmark.jobparts import allocation, parts_of, time_ends
from compressor.benchmark.rayjob import time_job, write_corpus
from compressor.benchmark.rounds import WARM_UP, Entrant, Runner, Timing, time_rounds, warm_up
from compressor.benchmark.scaling import engine_speed, time_lengths, time_replicas, time_sizes
from compressor.benchmark.startup import time_startup
from compressor.benchmark.summary import (
    Data,
    curve_data,
    engine_parts,
    job_data,
    lengths_data,
    machine,
    replicas_data,
    rounds_data,
)
from compressor.benchmark.texts import load_texts
from compressor.engine.subwords import FastTokenizer
from compressor.models.checkpoint import choose_device, choose_dtype, load_tokenizer
from compressor.models.quiet import quiet
from compressor.models.resolve import digest, resolve

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements share; `config.model.name` is the folder of the weights."""

    config: BenchmarkConfig
    texts: Sequence[str]
    counts: npt.NDArray[np.int64]  # tokens of each text
    counter: FastTokenizer
    device: str
    scratch: Path
    say: Say


def measure(config: BenchmarkConfig, say: Say) -> Data:
    """Measure everything that is asked for; raises `InputError` or `JobError`."""
    with tempfile.TemporaryDirectory() as scratch:
        bench, setup = _prepare(config, Path(scratch), say)
        timings, skipped = _rounds(bench)
        return {
            "machine": machine(),
            "setup": setup,
            **rounds_data(timings, skipped),
            **_job(bench, engine_parts(timings)),
            **_curves(bench),
        }


def _prepare(config: BenchmarkConfig, scratch: Path, say: Say) -> tuple[Bench, Data]:
    quiet()
    settings, name = config.benchmark, config.benchmark.architecture or config.model.name
    found = load_texts(settings.texts, settings.text_column, settings.passages)
    texts = list(distinct(found, settings.passages))
    if settings.architecture:
        say(f"writing random weights of {name}")
        checkpoint = write_random(settings.architecture, texts, scratch)
    else:
        checkpoint = resolve(config.model.name)
    model = config.model.model_copy(update={"name": str(checkpoint)})
    config = config.model_copy(update={"model": model})
    counter = FastTokenizer(load_tokenizer(checkpoint))
    counts = counter.count(texts)
    device = choose_device(config.model.device)
    dtype, why = choose_dtype(config.model.dtype, device)
    setup = {
        "texts": len(texts),
        "texts_found": len(found),
        "tokens": int(counts.sum()),
        "source": settings.texts or "demo corpus",
        "model": name,
        "model_digest": digest(checkpoint),
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "rate": config.compression.rate,
        "rounds": settings.rounds,
    }
    say(f"{len(texts):,} texts, {setup['tokens']:,} tokens, {device} {setup['dtype']} ({why})")
    return Bench(config, texts, counts, counter, str(device), scratch, say), setup


def _rounds(bench: Bench) -> tuple[list[Timing], list[Skipped]]:
    loads = loads_of(
        wanted(bench.config), bench.config, bench.device, bench.config.model.name, bench.scratch
    )
    with started(loads) as loaded:
        entrants, skipped = [], []
        for peer in loaded:
            entrant = peer if isinstance(peer, Skipped) else _warm(bench, peer)
            if isinstance(entrant, Skipped):
                skipped.append(entrant)
                bench.say(f"skipped: {entrant.name}: {entrant.reason}")
            else:
                entrants.append(entrant)
        return time_rounds(entrants, rounds=bench.config.benchmark.rounds, say=bench.say), skipped


def _warm(bench: Bench, runner: Runner) -> Entrant | Skipped:
    """What isn't ours may fail without ending the benchmark."""
    try:
        return warm_up(_entrant(bench, runner))
    except RuntimeError as error:
        if runner.name in OURS:
            raise
        return Skipped(runner.name, f"fails here: {error}")


def _entrant(bench: Bench, runner: Runner) -> Entrant:
    most = bench.config.benchmark.slow_passages if runner.name in SLOW else None
    texts, tokens = bench.texts[:most], int(bench.counts[:most].sum())
    return Entrant(runner, texts, tokens, WARM_UP if runner.name in SLOW else len(texts))


def _job(bench: Bench, engine: dict[str, float] | None) -> Data:
    """The job, and the same with several numbers of replicas."""
    config, settings = bench.config, bench.config.benchmark
    if not settings.job and not settings.replicas:
        return {"job": None, "replicas": None}
    rows = len(bench.texts) * settings.job_repeat
    source = write_corpus(bench.scratch / "corpus", bench.texts, rows)
    job: Data | None = None
    if settings.job:
        load = load_of("engine", config, bench.device, config.model.name)
        speed = engine_speed(load, bench.texts, int(bench.counts.sum()))
        timing = time_job(config, source, say=bench.say, engine=speed)
        job = job_data(timing)
        if config.cluster.address is None:
            last = timing.runs[-1]
            ends = time_ends(config, source, bench.scratch / "corpus-compressed")
            replicas = allocation(config, last.shards).most
            job["parts"] = parts_of(last, ends, replicas, engine)
    timings = time_replicas(config, source, bench.say)
    return {"job": job, "replicas": replicas_data(timings)}


def _curves(bench: Bench) -> dict[str, Any]:
    config, settings = bench.config, bench.config.benchmark
    curve = time_sizes(config, bench.texts, bench.scratch, bench.say)
    lengths: list[tuple[int, Timing]] = []
    if settings.lengths:
        load = load_of("engine", config, bench.device, config.model.name)
        lengths = time_lengths(config, bench.texts, load, bench.counter, bench.say)
    startup = (
        time_startup(config, bench.texts, bench.scratch, bench.say) if settings.startup else None
    )
    return {"curve": curve_data(curve), "lengths": lengths_data(lengths), "startup": startup}
