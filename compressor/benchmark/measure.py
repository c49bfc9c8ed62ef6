"""The benchmark from configuration to result: texts, contenders, rounds, the Ray job."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compressor.benchmark.apart import started
from compressor.benchmark.architecture import write_random
from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contender import Skipped
from compressor.benchmark.contenders import SLOW, loads_of, quiet, wanted
from compressor.benchmark.distinct import distinct
from compressor.benchmark.rayjob import time_job
from compressor.benchmark.rounds import WARM_UP, Entrant, Runner, time_rounds
from compressor.benchmark.summary import summary
from compressor.benchmark.texts import load_texts
from compressor.engine.subwords import FastTokenizer
from compressor.models.checkpoint import choose_device, choose_dtype, load_tokenizer
from compressor.models.resolve import digest, resolve

Say = Callable[[str], None]


def measure(config: BenchmarkConfig, say: Say) -> dict[str, Any]:
    """Measure everything that is asked for; raises `InputError` or `JobError`."""
    with tempfile.TemporaryDirectory() as scratch:
        return _measure(config, Path(scratch), say)


def _measure(config: BenchmarkConfig, scratch: Path, say: Say) -> dict[str, Any]:
    settings = config.benchmark
    texts = load_texts(settings.texts, settings.text_column, settings.passages)
    found = len(texts)
    texts = list(distinct(texts, settings.passages))
    if settings.architecture:
        say(f"writing random weights of {settings.architecture}")
        checkpoint = write_random(settings.architecture, texts, scratch)
    else:
        checkpoint = resolve(config.model.name)
    name = settings.architecture or config.model.name
    model = config.model.model_copy(update={"name": str(checkpoint)})
    config = config.model_copy(update={"model": model})
    counts = FastTokenizer(load_tokenizer(checkpoint)).count(texts)
    device = choose_device(config.model.device)
    dtype, why = choose_dtype(config.model.dtype, device)
    setup = {
        "texts": len(texts),
        "texts_found": found,
        "tokens": int(counts.sum()),
        "source": settings.texts or "demo corpus",
        "model": name,
        "model_digest": digest(checkpoint),
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "rate": config.compression.rate,
        "rounds": settings.rounds,
    }
    say(
        f"{len(texts):,} texts, {setup['tokens']:,} tokens, on {device} in {setup['dtype']} ({why})"
    )
    quiet()
    names = wanted(config)
    loads = loads_of(names, config, str(device), str(checkpoint), scratch)
    with started(loads) as loaded:
        skipped = [peer for peer in loaded if isinstance(peer, Skipped)]
        for peer in skipped:
            say(f"skipped: {peer.name}: {peer.reason}")
        entrants = [
            _entrant(peer, texts, counts, settings.slow_passages)
            for peer in loaded
            if not isinstance(peer, Skipped)
        ]
        timings = time_rounds(entrants, rounds=settings.rounds, say=say)
    job = time_job(config, texts, scratch=scratch, say=say) if settings.job else None
    return summary(timings, skipped, job, setup)


def _entrant(
    runner: Runner, texts: Sequence[str], counts: np.ndarray[Any, Any], slow: int | None
) -> Entrant:
    if runner.name in SLOW:
        texts, counts = texts[:slow], counts[:slow]
        return Entrant(runner, texts, int(counts.sum()), WARM_UP)
    return Entrant(runner, texts, int(counts.sum()), len(texts))
