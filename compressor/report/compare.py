"""Two runs side by side: their figures, the settings that differ, and rows that both show.

Random rows are chosen by their texts, so two runs over the same texts show the same ones. Input:
two outputs with their examples; output: a dictionary for the template.
"""

from collections.abc import Sequence
from typing import Any

from compressor.report.examples import Example
from compressor.report.output import Output
from compressor.report.similarity import Similarity
from compressor.report.view import facts, shown
from compressor.report.wording import NOTHING, duration, number, setting, settings, share
from compressor.report.wording import without_secrets as public

Side = tuple[Output, Sequence[Example], Similarity | None]


def comparison(ours: Side, theirs: Side) -> dict[str, Any]:
    """What the section of a comparison shows; `theirs` is the run to compare with."""
    names = [public(output.storage.url) for output, _, _ in (ours, theirs)]
    return {
        "names": names,
        "rows": [
            *_totals(ours[0], theirs[0]),
            *_quality(ours, theirs),
            *_speed(ours[0], theirs[0]),
        ],
        "settings": _settings(ours[0], theirs[0]),
        "examples": _both(ours[1], theirs[1]),
    }


def _totals(ours: Output, theirs: Output) -> list[tuple[str, str, str, str]]:
    a, b = ours.summary, theirs.summary
    rows = [
        ("Records", a["rows"], b["rows"]),
        ("Tokens before", a["original_tokens"], b["original_tokens"]),
        ("Tokens after", a["compressed_tokens"], b["compressed_tokens"]),
        ("Failed", a["rows_by_status"]["error"], b["rows_by_status"]["error"]),
    ]
    return [
        *((name, number(one), number(other), _relative(one, other)) for name, one, other in rows),
        ("Rate", share(a["rate"]), share(b["rate"]), _points(a["rate"], b["rate"])),
    ]


def _quality(ours: Side, theirs: Side) -> list[tuple[str, str, str, str]]:
    kept = [
        {fact["name"]: fact["share"] for fact in facts(one[0].findings)} for one in (ours, theirs)
    ]
    pairs = [(f"{name} kept", kept[0].get(name), kept[1].get(name)) for name in kept[0] | kept[1]]
    one, other = (
        None if findings is None else findings.confidence_at(0.5)
        for findings in (ours[0].findings, theirs[0].findings)
    )
    pairs.append(("Confidence, median", one, other))
    if ours[2] is not None and theirs[2] is not None:
        pairs.append(("Embedding similarity", ours[2].mean, theirs[2].mean))
    return [(name, share(a), share(b), _points(a, b)) for name, a, b in pairs]


def _speed(ours: Output, theirs: Output) -> list[tuple[str, str, str, str]]:
    a, b = (output.summary.get("tokens_per_second") for output in (ours, theirs))
    wall = [output.summary.get("wall_seconds") for output in (ours, theirs)]
    return [
        ("Tokens a second", number(a), number(b), _relative(a, b)),
        ("Wall clock", duration(wall[0]), duration(wall[1]), _relative(*wall)),
    ]


def _settings(ours: Output, theirs: Output) -> list[tuple[str, str, str]]:
    """Those that differ, the paths of the outputs left out."""
    a, b = (dict(settings(output.summary["configuration"])) for output in (ours, theirs))
    return [
        (key, _of(a, key), _of(b, key))
        for key in a | b
        if a.get(key) != b.get(key) and key != "output.path"
    ]


def _of(side: dict[str, Any], key: str) -> str:
    return setting(side[key]) if key in side else NOTHING


def _both(ours: Sequence[Example], theirs: Sequence[Example]) -> list[tuple[Any, Any]]:
    """Random rows that both runs show."""
    others: dict[tuple[int | None, str], Example] = {
        (example.wanted.key, example.record.text): example
        for example in theirs
        if example.wanted.kind == "random" and example.wanted.key is not None
    }
    pairs = []
    for example in ours:
        other = others.get((example.wanted.key, example.record.text))
        if example.wanted.kind == "random" and other is not None:
            pairs.append((shown(example), shown(other)))
    return pairs


def _relative(a: float | None, b: float | None) -> str:
    if a is None or b is None or not b:
        return NOTHING
    return "same" if a == b else _signed(100 * (a / b - 1), "%")


def _points(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return NOTHING
    return "same" if a == b else _signed(100 * (a - b), "points")


def _signed(value: float, unit: str) -> str:
    return f"{value:+.1f}\N{NO-BREAK SPACE}{unit}".replace("-", "\N{MINUS SIGN}")
