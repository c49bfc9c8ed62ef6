"""The teacher's passages: read them from JSON lines, split them into training and held-out.

In: a file of rows with `id`, `domain`, `text`, `half`, `quarter` (all strings). Out: `Passage`s.
"""

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compressor.errors import InputError


@dataclass(frozen=True)
class Passage:
    """A text and the teacher's two compressions of it; `quarter` is a selection of `half`."""

    id: str
    domain: str
    text: str
    half: str
    quarter: str


FIELDS = tuple(Passage.__dataclass_fields__)


def read_passages(path: str | Path) -> list[Passage]:
    """All passages of a `.jsonl` or `.jsonl.gz` file, in order; blank lines are passed over.

    Raises `InputError` that names file and line for a missing file, a row that isn't a JSON object,
    a field that is missing or no string, a text without words, and an id that occurs twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"data.path: {path}: no such file")
    passages: list[Passage] = []
    seen: dict[str, int] = {}
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as file
        ):
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                passage = _parse(line, f"{path}:{number}")
                if seen.setdefault(passage.id, number) != number:
                    raise InputError(
                        f"{path}:{number}: id {passage.id!r} was on line {seen[passage.id]} already"
                    )
                passages.append(passage)
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"data.path: {path}: can't be read: {error}") from None
    if not passages:
        raise InputError(f"data.path: {path}: holds no passages")
    return passages


def _parse(line: str, where: str) -> Passage:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: wants an object with {', '.join(FIELDS)}")
    for field in FIELDS:
        if not isinstance(row.get(field), str):
            raise InputError(f"{where}: {field!r} must be a string, got {row.get(field)!r:.40}")
    if not row["text"].strip():
        raise InputError(f"{where}: 'text' is blank")
    return Passage(**{field: row[field] for field in FIELDS})


def split_heldout(
    passages: Sequence[Passage], count: int, *, seed: int
) -> tuple[list[Passage], list[Passage]]:
    """(training, held-out), both in the order given; the domains' shares are kept.

    `count` passages are held out, drawn with `seed`. Passages of equal text go to one side, and
    the choice depends on ids and texts only, not on the order of the file. Raises `InputError` when
    nothing would be left to train on.
    """
    if count >= len(passages):
        raise InputError(
            f"data.heldout_passages: {count} of {len(passages)} passages leaves none to train on"
        )
    generator = np.random.default_rng(seed)
    by_domain: dict[str, list[Passage]] = defaultdict(list)
    for passage in sorted(passages, key=lambda p: p.id):
        by_domain[passage.domain].append(passage)
    quotas = _quotas({name: len(group) for name, group in sorted(by_domain.items())}, count)
    chosen: set[str] = set()
    for name, quota in quotas.items():
        group = by_domain[name]
        chosen.update(group[i].id for i in generator.permutation(len(group))[:quota])
    heldout_texts = {passage.text for passage in passages if passage.id in chosen}
    training = [p for p in passages if p.text not in heldout_texts]
    if not training:
        raise InputError("data.heldout_passages: all texts are equal to held-out ones")
    return training, [p for p in passages if p.id in chosen]


def _quotas(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Split `count` in proportion to `sizes`; the largest remainders are rounded up."""
    total = sum(sizes.values())
    exact = {name: count * size / total for name, size in sizes.items()}
    quotas = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in by_remainder[: count - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def ids_hash(passages: Iterable[Passage]) -> str:
    """A short name for a set of passages: SHA-256 of their sorted ids, 16 hex digits."""
    joined = "\n".join(sorted(passage.id for passage in passages))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]
