"""The teacher's passages, and which of them are kept out of training."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from compressor.errors import InputError


@dataclass(frozen=True)
class Passage:
    """A text and the teacher's compressions of it; `quarter` is a selection of `half`.

    Without `quarter` there is one level of compression; without `half` the text has no teacher's
    labels at all. `keep`: strings whose occurrences in the text are to be kept in any case.
    """

    id: str
    domain: str
    text: str
    half: str | None
    quarter: str | None = None
    keep: tuple[str, ...] = ()


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
