"""Which of the judged rates to take: the lowest at which what must be kept surely is, and why.

Surely: the lower end of the interval is no lower than the floor, there and at every higher rate.
Where nothing at all was lost no rate could do better, so that passes; if it is too little to be
sure of the floor, the sentence says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compressor.sweep.config import FloorsSection
from compressor.sweep.judge import Figure, Row


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A rate, None where none will do, and why."""

    rate: float | None
    reason: str


def recommend(rows: Sequence[Row], floors: FloorsSection) -> Recommendation:
    """rows: by rising rate. A floor of what the sample doesn't have decides nothing."""
    least = {
        name: floor
        for name, floor in floors.model_dump().items()
        if floor is not None and any(name in row.figures for row in rows)
    }
    if not least:
        return Recommendation(None, "No floor is set for anything that the sample has.")
    failing = [list(_failing(row, least)) for row in rows]
    first = next((at for at in range(len(rows)) if not any(failing[at:])), None)
    if first is None:
        top = rows[-1]
        return Recommendation(
            None,
            f"No rate up to {top.rate:g} will do: there {_all(failing[-1])}; try higher rates, "
            "protect what matters (compression.protect, force_reserve_digit), or lower the floor.",
        )
    chosen = rows[first]
    kept = _all([_held(name, chosen.figures[name], least[name]) for name in least])
    if first == 0:
        return Recommendation(
            chosen.rate,
            f"At {chosen.rate:g}, the lowest rate that was tried, {kept}; try lower ones.",
        )
    return Recommendation(
        chosen.rate,
        f"{chosen.rate:g} is the lowest rate at which {kept}; at {rows[first - 1].rate:g} "
        f"{_all(failing[first - 1])}.",
    )


def _failing(row: Row, least: dict[str, float]) -> Iterator[str]:
    for name, floor in least.items():
        figure = row.figures.get(name)
        if figure is not None and figure.low < floor and figure.value < 1:
            yield f"{name} may fall to {figure.low:.3f} (floor {floor:g})"


def _held(name: str, figure: Figure, floor: float) -> str:
    if figure.low >= floor:
        return f"{name} stay at {figure.low:.3f} or more (floor {floor:g})"
    return f"all {figure.counted:,} {name} stay (too few to be sure of {floor:g})"


def _all(sentences: Sequence[str]) -> str:
    """As one: "a, b and c"."""
    *before, last = sentences
    return f"{', '.join(before)} and {last}" if before else last
