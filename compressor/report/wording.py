"""Numbers and names as a person reads them in a report."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

NOTHING = "–"
_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_FACTS = {
    "number": "Numbers",
    "date": "Months and days",
    "name": "Names",
    "negation": "Negations",
    "unit": "Units",
    "code": "Code and paths",
}


def number(value: float | None, digits: int = 0) -> str:
    """Grouped by thousands; millions and more in three or four digits."""
    if value is None:
        return NOTHING
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.1f}\N{NO-BREAK SPACE}{unit}"
    return f"{value:,.{digits}f}"


def share(value: float | None, digits: int = 1) -> str:
    """As a percentage; never 100 % or 0 % of what isn't all or nothing."""
    if value is None:
        return NOTHING
    shown = f"{100 * value:.{digits}f}"
    if (value < 1 and float(shown) == 100) or (value > 0 and float(shown) == 0):
        return share(value, digits + 1) if digits < 4 else f"{shown}\N{NO-BREAK SPACE}%"
    return f"{shown}\N{NO-BREAK SPACE}%"


def duration(seconds: float | None) -> str:
    """Two units at most: 48 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    parts = [(hours, "h"), (left, "min"), (rest, "s")]
    shown = [f"{size}\N{NO-BREAK SPACE}{unit}" for size, unit in parts if size][:2]
    return " ".join(shown)


def fact_name(kind: str) -> str:
    return _FACTS.get(kind, kind.capitalize())


def without_secrets(text: str) -> str:
    """A URL's user and password are nobody's business."""
    return _USERINFO.sub("…@", text)


def settings(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of a configuration, whatever may hold a secret left out."""
    for key, value in tree.items():
        if key == "storage_options":
            continue
        if isinstance(value, Mapping):
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def setting(value: Any) -> str:
    """A value of a configuration as it is written there."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(setting, value)) + "]"
    return without_secrets(str(value))
