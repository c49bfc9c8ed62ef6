"""What is known of each shard of a plan, in columns: a million shards take some 200 MB.

Filled from the footers of files that were there and from what write tasks return; read by whatever
sums up. The histograms of all shards are kept as one, for that is what quantiles of the whole need.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.engine.compression import Threshold
from compressor.pipeline.findings import Findings, packed, unpacked
from compressor.pipeline.statistics import MEASURED, RATE_BINS, Statistics
from compressor.pipeline.travel import set_writable

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SECONDS = ("model_seconds", "seconds")
COUNTED = ("rows", "ok", "empty", "error", "notes", "original_tokens", "compressed_tokens")
COUNTS = (*COUNTED, *(name for name in MEASURED if name not in SECONDS))


class Ledger:
    """Shards by their position in the plan, each known or not yet.

    `known` bool [n]; `finished` float64 [n], seconds since the epoch, NaN where an earlier run did
    it; `replica` int32 [n], of `replicas`, -1 where it isn't known; `bytes` int64 [n] of the files
    written now; `findings`: the sum of all that have some. With `keep_records` the record of each
    shard's statistics is kept, too, as JSON, its findings packed in it. `threshold` is the one that
    earlier files were made with, or this run found in `calibration_seconds`.
    """

    def __init__(self, shards: int, *, keep_records: bool = False) -> None:
        self.known: Flags = np.zeros(shards, bool)
        self.finished: Floats = np.full(shards, np.nan)
        self.bytes: Ints = np.zeros(shards, np.int64)
        self.replica: npt.NDArray[np.int32] = np.full(shards, -1, np.int32)
        self.replicas: dict[str, int] = {}
        self.findings = Findings()
        self.threshold: Threshold | None = None
        self.calibration_seconds: float | None = None
        self.ran_on: set[str] = set()
        self._counts: Ints = np.zeros((len(COUNTS), shards), np.int64)
        self._seconds: Floats = np.zeros((len(SECONDS), shards), np.float64)
        self._rates: Ints = np.zeros(RATE_BINS + 1, np.int64)
        self._texts = bytearray() if keep_records else None
        self._begins: Ints = np.zeros(shards if keep_records else 0, np.int64)

    __setstate__ = set_writable

    def __len__(self) -> int:
        return len(self.known)

    def resume(self, at: int, record: Mapping[str, Any]) -> None:
        """A file that was there, by its record in a footer, or in a lineage (findings packed)."""
        found: Any = record.get("threshold")
        self.threshold = (found[0], found[1]) if isinstance(found, list) else found
        self._put(at, record["statistics"], record.get("findings"))

    def add(self, at: int, entry: Mapping[str, Any]) -> None:
        """A shard that this run did: `statistics`, `findings`, what was `measured`, and `bytes`."""
        measured = entry["measured"]
        self._put(at, entry["statistics"], entry.get("findings"))
        self.finished[at] = measured.get("finished", 0.0)
        self.bytes[at] = entry["bytes"]
        for row, name in enumerate(COUNTS):
            if name in measured:
                self._counts[row, at] = measured[name]
        for row, name in enumerate(SECONDS):
            self._seconds[row, at] = measured.get(name, 0.0)
        if "replica" in measured:
            name = measured["replica"]
            self.replica[at] = self.replicas.setdefault(name, len(self.replicas))
        if measured:
            self.ran_on.add(f"{measured['device']} {measured['dtype']}")

    def counts(self, name: str) -> Ints:
        """A count of each shard, int64 [n]."""
        column: Ints = self._counts[COUNTS.index(name)]
        return column

    def seconds(self, name: str) -> Floats:
        """A duration of each shard, float64 [n], 0 where an earlier run did it."""
        column: Floats = self._seconds[SECONDS.index(name)]
        return column

    def total(self) -> Statistics:
        """The sum of all shards."""
        counts = zip(COUNTS, self._counts.sum(axis=1).tolist(), strict=True)
        seconds = zip(SECONDS, self._seconds.sum(axis=1).tolist(), strict=True)
        bins = np.flatnonzero(self._rates)
        rates = dict(zip(bins.tolist(), self._rates[bins].tolist(), strict=True))
        return Statistics(**dict(counts), **dict(seconds), rates=rates)

    def records(self) -> pa.ChunkedArray:
        """The record of each shard's statistics as JSON, where they are kept."""
        assert self._texts is not None
        order = np.argsort(self._begins, kind="stable")  # they lie as they came
        bounds = np.append(self._begins[order], len(self._texts))
        buffers = pa.py_buffer(bounds), pa.py_buffer(self._texts)
        came = pa.LargeStringArray.from_buffers(len(order), *buffers)
        return pa.chunked_array([came.take(pa.array(np.argsort(order)))])

    def _put(
        self, at: int, statistics: Mapping[str, Any], findings: Mapping[str, Any] | str | None
    ) -> None:
        assert not self.known[at]  # each shard has one file
        self.known[at] = True
        for row, name in enumerate(COUNTED):
            self._counts[row, at] = statistics[name]
        for rate, records in statistics["rates"].items():
            self._rates[int(rate)] += records
        if findings is not None:
            self.findings.add(unpacked(findings) if isinstance(findings, str) else findings)
        if self._texts is not None:
            self._begins[at] = len(self._texts)
            whole = dict(statistics)
            if findings is not None:
                whole["findings"] = findings if isinstance(findings, str) else packed(findings)
            self._texts += json.dumps(whole, sort_keys=True).encode()
