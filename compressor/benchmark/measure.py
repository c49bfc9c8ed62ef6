"""The benchmark from configuration to result: texts, contenders, rounds, the Ray job."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compressor.benchmark.apart import started
from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contenders import Contender, Skipped, wanted_loads
from compressor.benchmark.rayjob import time_job
from compressor.benchmark.rounds import time_rounds
from compressor.benchmark.summary import summary
from compressor.benchmark.texts import load_texts
from compressor.engine.compressor import Compressor
from compressor.models.resolve import resolve


def measure(config: BenchmarkConfig, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything that is asked for; raises `InputError` or `JobError`."""
    settings = config.benchmark
    texts = load_texts(settings.texts, settings.text_column, settings.passages)
    engine = Compressor.from_pretrained(
        config.model.name,
        device=config.model.device,
        dtype=config.model.dtype,
        max_batch_tokens=config.model.max_batch_tokens,
    )
    tokens = sum(result.original_tokens for result in engine.compress(texts))
    setup = {
        "texts": len(texts),
        "tokens": tokens,
        "source": settings.texts or "demo corpus",
        "model": config.model.name,
        "model_digest": engine.digest,
        "engine_ran_on": f"{engine.device} {engine.dtype}",
        "rate": config.compression.rate,
        "rounds": settings.rounds,
    }
    say(f"{len(texts):,} texts, {tokens:,} tokens, engine on {setup['engine_ran_on']}")
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = str(resolve(config.model.name))
        with started(wanted_loads(config, engine.device, checkpoint, Path(scratch))) as loaded:
            skipped = [peer for peer in loaded if isinstance(peer, Skipped)]
            for peer in skipped:
                say(f"skipped: {peer.name}: {peer.reason}")
            timings = time_rounds(
                [peer for peer in loaded if isinstance(peer, Contender)],
                texts,
                tokens=tokens,
                rounds=settings.rounds,
                say=say,
            )
        job = (
            time_job(config, texts, tokens=tokens, scratch=Path(scratch), say=say)
            if settings.job
            else None
        )
    return summary(timings, skipped, job, setup)
