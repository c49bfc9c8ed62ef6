"""Statistics that add up: of a table, of a shard, of the job.

`a + b` merges any two; the rates of single records are kept as a histogram, so that quantiles of
the whole come from the shards' own counts. What depends on the machine (seconds) is kept apart
from what depends on the data: only the latter is written into a shard's file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

RATE_BINS = 1000  # quantiles are exact to 0.0005
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
MEASURED = ("model_seconds", "seconds")


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of some rows. `records` of a histogram bin: how many had that rate, in thousandths."""

    rows: int = 0
    ok: int = 0
    empty: int = 0
    error: int = 0
    notes: int = 0  # status ok, yet with something to say in the error column
    original_tokens: int = 0
    compressed_tokens: int = 0
    rates: Mapping[int, int] = field(default_factory=dict)
    model_seconds: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Statistics") -> "Statistics":
        merged: dict[str, Any] = {
            part.name: getattr(self, part.name) + getattr(other, part.name)
            for part in fields(self)
            if part.name != "rates"
        }
        return Statistics(**merged, rates=Counter(self.rates) + Counter(other.rates))

    @property
    def rate(self) -> float | None:
        """The achieved rate of the whole, None where there were no tokens."""
        return self.compressed_tokens / self.original_tokens if self.original_tokens else None

    def quantiles(self) -> dict[str, float | None]:
        """Quantiles of the records' own rates."""
        return {name: self._quantile(share) for name, share in QUANTILES.items()}

    def _quantile(self, share: float) -> float | None:
        wanted = share * sum(self.rates.values())
        seen = 0
        for rate, records in sorted(self.rates.items()):
            seen += records
            if seen >= wanted:
                return rate / RATE_BINS
        return None

    def record(self) -> dict[str, Any]:
        """What the data alone determines, for the footer of the shard's file."""
        plain: dict[str, Any] = {
            part.name: getattr(self, part.name)
            for part in fields(self)
            if part.name not in {*MEASURED, "rates"}
        }
        return {**plain, "rates": {str(rate): n for rate, n in sorted(self.rates.items())}}

    @classmethod
    def from_record(
        cls, record: Mapping[str, Any], *, model_seconds: float = 0.0, seconds: float = 0.0
    ) -> "Statistics":
        """The inverse of `record`; seconds are known only for what this run did."""
        rates = {int(rate): records for rate, records in record["rates"].items()}
        return cls(**{**record, "rates": rates}, model_seconds=model_seconds, seconds=seconds)


def total(parts: Iterable[Statistics]) -> Statistics:
    """The sum of all parts."""
    result = Statistics()
    for part in parts:
        result = result + part
    return result


def rate_histogram(original: Iterable[int], compressed: Iterable[int]) -> dict[int, int]:
    """Count the records at each rate; records without tokens have none."""
    return dict(
        Counter(
            min(RATE_BINS, round(RATE_BINS * after / before))
            for before, after in zip(original, compressed, strict=True)
            if before
        )
    )
