"""Statistics that add up: of a table, of a shard, of the job.

`a + b` merges any two; the rates of single records are kept as a histogram, so that quantiles of
the whole come from the shards' own counts. What depends on the run (seconds, what was computed and
what was there already) is kept apart from what depends on the data: only the latter is written
into a shard's file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from compressor.corpus.columns import EMPTY, ERROR, FAILED, OK, STATUS, TextColumn
from compressor.pipeline.histogram import value_at

RATE_BINS = 1000  # quantiles are exact to 0.0005
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
MEASURED = ("model_seconds", "seconds", "model_tokens", "reused", "duplicates")


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
    model_tokens: int = 0  # of the texts that went through the model
    reused: int = 0  # rows taken over from a published version
    duplicates: int = 0  # rows with the texts of a row before

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
        found = {name: value_at(self.rates, share) for name, share in QUANTILES.items()}
        return {name: None if rate is None else rate / RATE_BINS for name, rate in found.items()}

    def record(self) -> dict[str, Any]:
        """What the data alone determines, for the footer of the shard's file."""
        plain: dict[str, Any] = {
            part.name: getattr(self, part.name)
            for part in fields(self)
            if part.name not in {*MEASURED, "rates"}
        }
        return {**plain, "rates": {str(rate): n for rate, n in sorted(self.rates.items())}}

    def measured(self) -> dict[str, float]:
        """What this run alone determines."""
        return {name: getattr(self, name) for name in MEASURED}

    @classmethod
    def from_record(
        cls, record: Mapping[str, Any], measured: Mapping[str, Any] | None = None
    ) -> "Statistics":
        """The inverse of `record`, and of `measured` for what this run did."""
        rates = {int(rate): records for rate, records in record["rates"].items()}
        own = {name: value for name, value in (measured or {}).items() if name in MEASURED}
        return cls(**{**record, "rates": rates, **own})


def statistics_of(table: pa.Table, columns: Sequence[TextColumn]) -> Statistics:
    """Count the rows of a compressed table."""
    statuses = table.column(STATUS)
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(statuses).to_pylist()}
    noted = pc.and_(pc.equal(statuses, OK), pc.is_valid(table.column(ERROR)))
    original, compressed = (
        np.concatenate([np.zeros(0, np.int64), *(table.column(name).to_numpy() for name in names)])
        for names in (
            [column.original_tokens for column in columns],
            [column.compressed_tokens for column in columns],
        )
    )
    return Statistics(
        rows=table.num_rows,
        ok=counts.get(OK, 0),
        empty=counts.get(EMPTY, 0),
        error=counts.get(FAILED, 0),
        notes=pc.sum(noted).as_py() or 0,
        original_tokens=int(original.sum()),
        compressed_tokens=int(compressed.sum()),
        rates=rate_histogram(original, compressed),
    )


def total(parts: Iterable[Statistics]) -> Statistics:
    """The sum of all parts."""
    result = Statistics()
    for part in parts:
        result = result + part
    return result


def rate_histogram(original: npt.ArrayLike, compressed: npt.ArrayLike) -> dict[int, int]:
    """Count the records at each rate; records without tokens have none."""
    before, after = np.asarray(original, np.int64), np.asarray(compressed, np.int64)
    some = before > 0
    rates = np.rint(RATE_BINS * after[some] / before[some]).astype(np.int64)
    values, counts = np.unique(np.minimum(RATE_BINS, rates), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
