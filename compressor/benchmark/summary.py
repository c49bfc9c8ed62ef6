"""The measurement as data and as a Markdown page. Input: timings; output: two files."""

import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from compressor.benchmark.contenders import Skipped
from compressor.benchmark.rayjob import JobTiming
from compressor.benchmark.rounds import Timing
from compressor.errors import InputError

PACKAGES = ("torch", "transformers", "tokenizers", "ray", "pyarrow", "llmlingua")


def summary(
    timings: Sequence[Timing],
    skipped: Sequence[Skipped],
    job: JobTiming | None,
    setup: dict[str, Any],
) -> dict[str, Any]:
    """Everything that was measured, and on what, as plain data."""
    return {
        "machine": machine(),
        "setup": setup,
        "contenders": [_contender(timing, timings[0]) for timing in timings],
        "skipped": [{"name": peer.name, "reason": peer.reason} for peer in skipped],
        "job": None if job is None else _job(job, timings[0]),
    }


def machine() -> dict[str, Any]:
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


def open_folder(path: str) -> Path:
    """Make the folder, before anything is measured; raises `InputError` where it can't be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"benchmark.output: {path}: {error.strerror}") from None
    return folder


def write(folder: Path, result: dict[str, Any]) -> list[Path]:
    """Write benchmark.json and benchmark.md."""
    data, page = folder / "benchmark.json", folder / "benchmark.md"
    data.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    page.write_text(markdown(result), encoding="utf-8")
    return [data, page]


def markdown(result: dict[str, Any]) -> str:
    """The result as a page with one table for the contenders and one for the job."""
    machine, setup = result["machine"], result["setup"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    lines = [
        "# Benchmark",
        "",
        f"{machine['processor']}, {machine['cpus']} CPUs, {machine['threads']} threads"
        f"{', ' + machine['gpu'] if machine['gpu'] else ''}; load at the end "
        f"{machine['load_average'][0]}. Python {machine['python']}, {versions}.",
        "",
        f"{setup['texts']:,} texts, {setup['tokens']:,} tokens, rate {setup['rate']}, model "
        f"{setup['model']}; median of {setup['rounds']} alternating rounds (slowest - fastest).",
        "",
        "| | texts/s | tokens/s | slowest - fastest | engine is faster by |",
        "|---|---:|---:|---:|---:|",
        *(_row(entry) for entry in result["contenders"]),
    ]
    lines += [f"\nNot measured: {peer['name']}: {peer['reason']}." for peer in result["skipped"]]
    lines += ["", *(f"- `{entry['name']}`: {entry['about']}" for entry in result["contenders"])]
    if result["job"]:
        lines += _job_lines(result["job"])
    return "\n".join(lines) + "\n"


def _row(entry: dict[str, Any]) -> str:
    low, high = entry["tokens_per_second_range"]
    return (
        f"| `{entry['name']}` | {entry['texts_per_second']:,.1f} | "
        f"{entry['tokens_per_second']:,.0f} | {low:,.0f} - {high:,.0f} | "
        f"{entry['engine_is_faster_by']:.1f}x |"
    )


def _job_lines(job: dict[str, Any]) -> list[str]:
    return [
        "",
        f"The whole Ray job on {job['rows']:,} rows ({job['tokens']:,} tokens), median of "
        f"{len(job['wall_seconds'])}: {job['tokens_per_second']:,.0f} tokens/s from the first row "
        f"to the last ({job['share_of_engine']:.2f} of the bare engine), "
        f"{job['median_wall_seconds']:.1f} s from the command to its end.",
    ]


def _contender(timing: Timing, engine: Timing) -> dict[str, Any]:
    low, high = timing.range_of_tokens_per_second
    return {
        "name": timing.name,
        "about": timing.about,
        "seconds": [round(seconds, 4) for seconds in timing.seconds],
        "texts_per_second": round(timing.texts_per_second, 2),
        "tokens_per_second": round(timing.tokens_per_second, 1),
        "tokens_per_second_range": [round(low, 1), round(high, 1)],
        "engine_is_faster_by": round(timing.median / engine.median, 2),
    }


def _job(job: JobTiming, engine: Timing) -> dict[str, Any]:
    return {
        "rows": job.rows,
        "tokens": job.tokens,
        "wall_seconds": [round(seconds, 2) for seconds in job.wall_seconds],
        "median_wall_seconds": round(job.median_wall, 2),
        "span_seconds": [round(seconds, 2) for seconds in job.span_seconds],
        "tokens_per_second": round(job.tokens_per_second, 1),
        "share_of_engine": round(job.tokens_per_second / engine.tokens_per_second, 3),
    }


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
