"""What a job hands back, and the shards that its results consist of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compressor.corpus.shards import Shards
from compressor.pipeline.findings import Findings
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.statistics import Statistics, total

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the results are, and the content of `_stats/summary.json`."""

    output: str
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """Shards and what is known of each, position by position."""

    shards: Shards
    ledger: Ledger


def whole(parts: Sequence[Results]) -> Statistics:
    """The sum of all shards of all parts."""
    return total(part.ledger.total() for part in parts)


def findings_of(parts: Sequence[Results]) -> Findings:
    """The same of what the shards' rows say of their quality."""
    findings = Findings()
    for part in parts:
        findings.add(part.ledger.findings.record())
    return findings
