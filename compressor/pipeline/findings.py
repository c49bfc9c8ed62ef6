"""What a report shows beside counts, as sums and small samples that add up in any order.

A shard's record (see `signals`) rides in its file's footer; the sum over all shards is
`_stats/findings.json`. Samples are those of the smallest keys, and a row's key follows from its
texts: neither replicas nor reruns nor the order of adding change them, and two runs over the same
texts show the same ones. Rows are named by file and place; their texts stay where they are.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from compressor.pipeline.histogram import GRID, Counts, add_run, run
from compressor.pipeline.travel import set_writable

SHOWN = 20  # rows of each sample
MOST_REASONS = 64  # that are told apart
TOKENS = ("original", "compressed")
HUNDREDTHS = 101  # from 0 to 1, both included
KINDS = ("error", "note")  # of reasons: why a row failed, what an `ok` row has to say

Place = tuple[str, int]  # a file, and a row in it
Reason = tuple[str, str]  # kind, and the message without its numbers


class Findings:
    """A sum of records.

    rows: how many were seen; tokens, "original" and "compressed": int64 [len(GRID)], counts by
    `histogram`; confidence: int64 [101], by hundredth; sampled: rows whose facts were counted, of
    `sampled_of` that could have been; facts: by kind, those kept and those that there were, in
    thousandths, scaled from each shard's sample to the shard; reasons: by kind and pattern, the
    rows, and one of them; random: by key; worst: by confidence in thousandths and key.
    """

    def __init__(self) -> None:
        self.rows = self.sampled = self.sampled_of = 0
        self.tokens: dict[str, Counts] = {name: np.zeros(len(GRID), np.int64) for name in TOKENS}
        self.confidence: Counts = np.zeros(HUNDREDTHS, np.int64)
        self.facts: dict[str, list[int]] = {}
        self.reasons: dict[Reason, tuple[int, int, Place]] = {}  # rows; key and place of one
        self.random: dict[int, Place] = {}
        self.worst: dict[tuple[int, int], Place] = {}

    __setstate__ = set_writable

    def add(self, record: Mapping[str, Any]) -> None:
        """Add what `record` gave, or the record of a shard."""
        self.rows += record["rows"]
        self.sampled += record["sampled"]
        self.sampled_of += record["sampled_of"]
        for name, counts in self.tokens.items():
            add_run(counts, record["tokens"][name])
        add_run(self.confidence, record["confidence"])
        for kind, (kept, there) in record["facts"].items():
            before = self.facts.setdefault(kind, [0, 0])
            before[0] += kept
            before[1] += there
        file = record.get("file")
        for kind, pattern, rows, key, row, *named in record["reasons"]:
            self._add_reason((kind, pattern), rows, key, (file or named[0], row))
        for key, row, *named in record["random"]:
            _put(self.random, key, (file or named[0], row))
        for confidence, key, row, *named in record["worst"]:
            _put(self.worst, (confidence, key), (file or named[0], row))
        self._trim()

    def record(self) -> dict[str, Any]:
        """All of it as JSON has it, in one order."""
        return {
            "rows": self.rows,
            "sampled": self.sampled,
            "sampled_of": self.sampled_of,
            "tokens": {name: run(counts) for name, counts in self.tokens.items()},
            "confidence": run(self.confidence),
            "facts": {kind: list(counts) for kind, counts in sorted(self.facts.items())},
            "reasons": [
                [*reason, rows, key, row, file]
                for reason, (rows, key, (file, row)) in sorted(self.reasons.items())
            ],
            "random": [[key, row, file] for key, (file, row) in sorted(self.random.items())],
            "worst": [[*rank, row, file] for rank, (file, row) in sorted(self.worst.items())],
        }

    def confidence_at(self, share: float) -> float | None:
        """The quantile 0 < `share` < 1 of the records' confidence; None where none is known."""
        total = int(self.confidence.sum())
        return (
            float(np.searchsorted(np.cumsum(self.confidence), share * total)) / 100
            if total
            else None
        )

    def _add_reason(self, reason: Reason, rows: int, key: int, place: Place) -> None:
        before = self.reasons.get(reason)
        if before is not None:
            rows += before[0]
            key, place = min((key, place), before[1:])
        self.reasons[reason] = rows, key, place

    def _trim(self) -> None:
        """Leave the smallest of each sample; of reasons those of the smallest digests.

        What is among the smallest of all was among the smallest of every part, so its count is
        whole.
        """
        for key in sorted(self.random)[SHOWN:]:
            del self.random[key]
        for rank in sorted(self.worst)[SHOWN:]:
            del self.worst[rank]
        if len(self.reasons) > MOST_REASONS:
            self.reasons = {reason: self.reasons[reason] for reason in fewest(self.reasons)}


def total(records: Iterable[Mapping[str, Any] | None]) -> Findings:
    """The sum; files of earlier versions have no record, and count as no rows."""
    findings = Findings()
    for record in records:
        if record is not None:
            findings.add(record)
    return findings


def packed(record: Mapping[str, Any]) -> str:
    """A record in half of its size, for drivers that hold those of many shards."""
    data = json.dumps(record, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    """The inverse of `packed`."""
    record: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return record


def fewest(reasons: Iterable[Reason]) -> list[Reason]:
    """The `MOST_REASONS` of the smallest digests: what is told apart where there are more."""
    return sorted(reasons, key=_digest)[:MOST_REASONS]


def _put(sample: dict[Any, Place], key: Any, place: Place) -> None:
    """Rows of the same texts count once: the first of them."""
    sample[key] = min(place, sample.get(key, place))


@lru_cache(4096)
def _digest(reason: Reason) -> bytes:
    return hashlib.blake2b("\0".join(reason).encode("utf-8", "surrogatepass")).digest()
