"""The result as a Markdown page, and both as files. Input: the data of `summary`."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from compressor.errors import InputError

Data = dict[str, Any]
MEBI = 1024 * 1024


def open_folder(path: str) -> Path:
    """Make the folder, before anything is measured; raises `InputError` where it can't be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"benchmark.output: {path}: {error.strerror}") from None
    return folder


def write(folder: Path, result: Data) -> list[Path]:
    """Write benchmark.json and benchmark.md."""
    data, page = folder / "benchmark.json", folder / "benchmark.md"
    data.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    page.write_text(markdown(result), encoding="utf-8")
    return [data, page]


def markdown(result: Data) -> str:
    """A table for each kind of measurement that was made."""
    lines = [*_head(result), *_contenders(result)]
    sections: dict[str, Callable[[Any], list[str]]] = {
        "limit": _limit, "parts": _parts, "job": _job, "replicas": _replicas, "curve": _curve,
        "lengths": _lengths, "startup": _startup,
    }  # fmt: skip
    for key, section in sections.items():
        if result.get(key):
            lines += ["", *section(result[key])]
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table whose first column is text and the others are figures."""
    return [
        f"| {' | '.join(head)} |",
        f"|---|{'---:|' * (len(head) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def memory(size: int | None) -> str:
    """Bytes in MiB."""
    return "" if size is None else f"{size / MEBI:,.0f}"


def _head(result: Data) -> list[str]:
    machine, setup = result["machine"], result["setup"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    return [
        "# Benchmark",
        "",
        f"{machine['processor']}, {machine['cpus']} CPUs, {machine['threads']} threads"
        f"{', ' + machine['gpu'] if machine['gpu'] else ''}; load at the end "
        f"{machine['load_average'][0]}. Python {machine['python']}, {versions}.",
        "",
        f"{setup['texts']:,} texts, {setup['tokens']:,} tokens, rate {setup['rate']}, model "
        f"{setup['model']}, {setup['device']} {setup['dtype']}; median of {setup['rounds']} "
        "alternating rounds (slowest - fastest). Each contender has a process of its own.",
        "",
    ]


def _contenders(result: Data) -> list[str]:
    head = (
        "", "texts/s", "tokens/s", "slowest - fastest", "of the limit", "of forward",
        "engine is faster by", "peak MiB", "GPU MiB",
    )  # fmt: skip
    return [
        *table(head, map(_row, result["contenders"])),
        *(f"\nNot measured: {peer['name']}: {peer['reason']}." for peer in result["skipped"]),
        "",
        *(f"- `{entry['name']}`: {entry['about']}" for entry in result["contenders"]),
    ]


def _row(entry: Data) -> list[str]:
    low, high = entry["tokens_per_second_range"]
    return [
        f"`{entry['name']}`",
        f"{entry['texts_per_second']:,.1f}",
        f"{entry['tokens_per_second']:,.0f}",
        f"{low:,.0f} - {high:,.0f}",
        _share(entry["of_limit"]),
        _share(entry["of_forward"]),
        f"{entry['engine_is_faster_by']:.1f}x",
        memory(entry["peak_memory"]),
        memory(entry["peak_gpu_memory"]),
    ]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def _limit(limit: Data) -> list[str]:
    rows = (
        [
            name,
            f"{rate / 1e12:,.3f}",
            " - ".join(f"{end / 1e12:,.3f}" for end in limit["slowest_and_fastest_round"][name]),
            f"{limit['tokens_per_second'][name]:,.0f}",
        ]
        for name, rate in limit["operations_per_second"].items()
    )
    return [
        f"The model takes {limit['operations_per_token'] / 1e6:,.1f} million operations a token. "
        "Large matrix products on this machine, and the tokens/s that they allow:",
        "",
        *table(("", "Tera-operations/s", "slowest - fastest", "tokens/s"), rows),
    ]


def _parts(parts: Data) -> list[str]:
    seconds, share = parts["seconds_per_1000_texts"], parts["share"]
    return [
        "The parts of the engine, one after the other; without the forward pass "
        f"{parts['words_per_second_without_forward']:,.0f} words/s:",
        "",
        *table(
            ("", "seconds per 1,000 texts", "share"),
            ([name, f"{seconds[name]:.4f}", f"{share[name]:.3f}"] for name in seconds),
        ),
    ]


def _job(job: Data) -> list[str]:
    share = job["share_of_engine"]
    lines = [
        f"The whole Ray job on {job['rows']:,} rows ({job['tokens']:,} tokens), median of "
        f"{len(job['wall_seconds'])}: {job['tokens_per_second']:,.0f} tokens/s from the first row "
        "to the last"
        + ("" if share is None else f" ({share:.3f} of the engine just before it)")
        + f", {job['median_wall_seconds']:.1f} s from the command to its end; peak memory of the "
        f"driver {memory(job['peak_memory_of_driver'])} MiB, of a replica "
        f"{memory(job['peak_memory_of_replica'])} MiB.",
    ]
    if "parts" in job:
        wall, parts = job["wall_seconds"][-1], job["parts"]
        rows = ([name, f"{part:.2f}", f"{part / wall:.3f}"] for name, part in parts.items())
        lines += ["", *table(("", "seconds", "of the wall clock"), rows)]
    return lines


def _replicas(entries: list[Data]) -> list[str]:
    rows = (
        [
            str(entry["replicas"]),
            f"{entry['units']:g}",
            f"{entry['tokens_per_second']:,.0f}",
            f"{entry['efficiency']:.3f}",
            memory(entry["peak_memory_of_replica"]),
        ]
        for entry in entries
    )
    head = ("replicas", "CPUs or GPUs", "tokens/s", "each, of the first's", "MiB of a replica")
    return ["The job with several replicas:", "", *table(head, rows)]


def _curve(entries: list[Data]) -> list[str]:
    rows = (
        [
            f"{entry['rows']:,}",
            f"{entry['tokens_per_second']:,.0f}",
            f"{entry['median_wall_seconds']:,.1f}",
            memory(entry["peak_memory_of_driver"]),
            memory(entry["peak_memory_of_replica"]),
        ]
        for entry in entries
    )
    head = ("passages", "tokens/s", "seconds in all", "MiB of the driver", "MiB of a replica")
    return ["The job over the size of the corpus:", "", *table(head, rows)]


def _lengths(entries: list[Data]) -> list[str]:
    rows = (
        [
            f"{entry['words']:,}",
            f"{entry['records']:,}",
            f"{entry['tokens_per_second']:,.0f}",
            memory(entry["peak_memory"]),
            memory(entry["peak_gpu_memory"]),
        ]
        for entry in entries
    )
    head = ("words a record", "records", "tokens/s", "peak MiB", "GPU MiB")
    return ["The engine over the length of records:", "", *table(head, rows)]


def _startup(steps: Data) -> list[str]:
    rows = ([name, f"{seconds:.2f}"] for name, seconds in steps.items())
    return ["Before the first row, best of three:", "", *table(("", "seconds"), rows)]
