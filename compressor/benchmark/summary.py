"""Everything that was measured, and on what, as plain data. Input: timings; output: a dict."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from compressor.benchmark.contender import Skipped
from compressor.benchmark.rayjob import JobTiming
from compressor.benchmark.rounds import Timing

PACKAGES = ("torch", "transformers", "tokenizers", "ray", "pyarrow", "llmlingua")
Data = dict[str, Any]


def rounds_data(timings: Sequence[Timing], skipped: Sequence[Skipped]) -> Data:
    """The limit, the contenders and the engine's parts; shares are of the median speeds."""
    by_name = {timing.name: timing for timing in timings}
    return {
        "limit": _limit(by_name.get("limit")),
        "contenders": [_contender(timing, by_name) for timing in timings],
        "skipped": [{"name": peer.name, "reason": peer.reason} for peer in skipped],
        "parts": _parts(by_name.get("engine-parts")),
    }


def engine_parts(timings: Sequence[Timing]) -> dict[str, float] | None:
    """Median seconds of each part of the engine, where that was measured."""
    found = [timing for timing in timings if timing.name == "engine-parts"]
    return _part_seconds(found[0]) if found else None


def job_data(job: JobTiming) -> Data:
    """A job over all of its runs."""
    runs = job.runs
    return {
        "rows": runs[0].rows,
        "shards": runs[0].shards,
        "tokens": runs[0].tokens,
        "wall_seconds": [round(run.wall, 2) for run in runs],
        "median_wall_seconds": round(job.median_wall, 2),
        "span_seconds": [round(run.span, 2) for run in runs],
        "model_seconds": [round(run.model_seconds, 2) for run in runs],
        "replica_seconds": [round(run.replica_seconds, 2) for run in runs],
        "tokens_per_second": round(job.tokens_per_second, 1),
        "engine_tokens_per_second": [round(speed, 1) for speed in job.engine],
        "share_of_engine": job.share_of_engine,
        "peak_memory_of_driver": max(run.peaks.driver or 0 for run in runs) or None,
        "peak_memory_of_replica": max(run.peaks.replica or 0 for run in runs) or None,
    }


def curve_data(timings: Sequence[JobTiming]) -> list[Data] | None:
    """One entry for each size of the corpus; null where none was asked for."""
    return [job_data(timing) for timing in timings] or None


def replicas_data(timings: Sequence[tuple[int, float, JobTiming]]) -> list[Data] | None:
    """`efficiency`: tokens/s for each CPU or GPU that the replicas have, over the first entry's."""
    entries: list[Data] = []
    for replicas, units, timing in timings:
        each = timing.tokens_per_second / units
        entries.append({"replicas": replicas, "units": units, "each": each, **job_data(timing)})
        entries[-1]["efficiency"] = each / entries[0]["each"]
    return entries or None


def lengths_data(timings: Sequence[tuple[int, Timing]]) -> list[Data] | None:
    """One entry for each length of the records; null where none was asked for."""
    return [
        {
            "words": words,
            "records": timing.texts,
            "tokens": timing.tokens,
            "seconds": list(timing.seconds),
            "tokens_per_second": timing.tokens_per_second,
            "tokens_per_second_range": list(timing.range_of_tokens_per_second),
            "peak_memory": timing.memory,
            "peak_gpu_memory": timing.gpu_memory,
        }
        for words, timing in timings
    ] or None


def machine() -> Data:
    """What the figures depend on: processor, threads, load, versions."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _limit(timing: Timing | None) -> Data | None:
    """Rates of matrix products by precision, and the tokens/s that they would allow."""
    if timing is None:
        return None
    rounds = [dict(sample.details) for sample in timing.samples]
    operations = rounds[0].pop("operations")
    precisions = [name for name in rounds[0] if all(name in found for found in rounds)]
    rates = {name: [found[name] for found in rounds] for name in precisions}
    median = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "operations_per_token": operations / timing.tokens,
        "operations_per_second": median,
        "slowest_and_fastest_round": {n: [min(found), max(found)] for n, found in rates.items()},
        "tokens_per_second": {
            name: round(timing.tokens * rate / operations, 1) for name, rate in median.items()
        },
    }


def _contender(timing: Timing, others: Mapping[str, Timing]) -> Data:
    low, high = timing.range_of_tokens_per_second
    return {
        "name": timing.name,
        "about": timing.about,
        "texts": timing.texts,
        "tokens": timing.tokens,
        "seconds": [round(seconds, 5) for seconds in timing.seconds],
        "texts_per_second": round(timing.texts_per_second, 2),
        "tokens_per_second": round(timing.tokens_per_second, 1),
        "tokens_per_second_range": [round(low, 1), round(high, 1)],
        "of_limit": _share(timing, others.get("limit")),
        "of_forward": _share(timing, others.get("forward")),
        "engine_is_faster_by": round(
            others["engine"].tokens_per_second / timing.tokens_per_second, 2
        ),
        "peak_memory": timing.memory,
        "peak_gpu_memory": timing.gpu_memory,
    }


def _share(timing: Timing, of: Timing | None) -> float | None:
    return None if of is None else round(timing.tokens_per_second / of.tokens_per_second, 4)


def _parts(timing: Timing | None) -> Data | None:
    """Median seconds of each part, for 1,000 texts and as a share of their sum."""
    if timing is None:
        return None
    seconds = _part_seconds(timing)
    whole = sum(seconds.values())
    words = timing.samples[0].details["words"]
    return {
        "seconds_per_1000_texts": {n: 1000 * part / timing.texts for n, part in seconds.items()},
        "share": {name: part / whole for name, part in seconds.items()},
        "words_per_second_without_forward": words / (whole - seconds["forward"]),
    }


def _part_seconds(timing: Timing) -> dict[str, float]:
    rounds = [sample.details["seconds"] for sample in timing.samples]
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
