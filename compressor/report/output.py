"""What a finished output says of itself: the files of `_stats/`, read for a report.

Input: where the output lies; output: its summary, its findings and its table of shards, nothing of
its rows. Outputs of earlier versions have no findings, and fewer columns in the table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.columns import TextColumn, text_columns
from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.pipeline.findings import Findings
from compressor.pipeline.shard_table import NAME as SHARDS
from compressor.pipeline.summary import FINDINGS, SUMMARY

SHARD_COLUMNS = ("file", "rows", "original_tokens", "seconds", "finished", "replica")


@dataclass(frozen=True, slots=True)
class Output:
    """An output: where it is, `_stats/summary.json`, and the rest, None where there is none.

    rates: how many records had which rate, in thousandths.
    """

    storage: Storage
    summary: Mapping[str, Any]
    findings: Findings | None
    rates: Mapping[int, int] | None
    shards: pa.Table

    @property
    def columns(self) -> tuple[TextColumn, ...]:
        """The text columns; none where the job has no such setting."""
        return columns_of(self.summary)


def columns_of(summary: Mapping[str, Any]) -> tuple[TextColumn, ...]:
    """The text columns of a run; none where the job has no such setting."""
    try:
        return text_columns(summary["configuration"]["input"]["text_column"])
    except KeyError:
        return ()


def read_summary(storage: Storage) -> Mapping[str, Any] | None:
    """`_stats/summary.json`, or None where the storage holds no finished output."""
    return _summary(storage, _names(storage))


def read_output(storage: Storage) -> Output:
    """Read `_stats/`. Raises `InputError` where there is no finished output."""
    names = _names(storage)
    summary = _summary(storage, names)
    if summary is None:
        raise InputError(
            f"{storage.key}: {storage.url}: no {SUMMARY} there; is it an output of compress or "
            "refresh, and has the job ended?"
        )
    with storage.explained():
        shards = pq.ParquetFile(pa.BufferReader(storage.read(SHARDS)))
        present = [name for name in SHARD_COLUMNS if name in shards.schema_arrow.names]
        table = shards.read(columns=present)
        if FINDINGS.rpartition("/")[2] not in names:
            return Output(storage, summary, None, None, table)
        found = json.loads(storage.read(FINDINGS))
    findings = Findings()
    findings.add(found)
    rates = {int(rate): count for rate, count in found["rates"].items()}
    return Output(storage, summary, findings if findings.rows else None, rates, table)


def _names(storage: Storage) -> list[str]:
    with storage.explained():
        return storage.below("_stats").names()


def _summary(storage: Storage, names: Sequence[str]) -> Mapping[str, Any] | None:
    if SUMMARY.rpartition("/")[2] not in names:
        return None
    with storage.explained():
        found: Mapping[str, Any] = json.loads(storage.read(SUMMARY))
        return found
