"""A shard's record for the report: what its rows say of their quality, in a few kilobytes.

Input: the rows of a shard with what was made of them; output: a record that `Findings` adds up.
Numbers, names and negations are looked up in a sample of the rows only: counting takes some 4
microseconds a token, a GPU about one for compressing it.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.corpus.columns import ERROR, FAILED, OK, STATUS, TextColumn
from compressor.evaluate.facts import count_kept
from compressor.pipeline.findings import HUNDREDTHS, KINDS, SHOWN, fewest
from compressor.pipeline.histogram import histogram, run
from compressor.pipeline.rows import contents_of, plain

Ints = npt.NDArray[np.int64]

FACT_TOKENS = 4096  # of the rows of a shard whose facts are counted, together
KEY_BITS = 40  # of a key: enough to choose by, and every reader of JSON has such numbers
REASON_LENGTH = 160
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


def signals(
    table: pa.Table,
    file: str,
    columns: Sequence[TextColumn],
    keys: npt.NDArray[np.uint64],
    confidence: npt.NDArray[np.float32],
) -> dict[str, Any]:
    """The record of a shard whose rows go to `file`.

    keys: uint64 [rows, 2] of the rows' texts (see `row_keys`); confidence: float32 [rows], NaN
    where it isn't known.
    """
    key = (keys[:, 0] >> np.uint64(64 - KEY_BITS)).astype(np.int64)
    before, after = (
        np.array([table.column(name).to_numpy() for name in names], np.int64)
        for names in (
            [column.original_tokens for column in columns],
            [column.compressed_tokens for column in columns],
        )
    )
    status = np.array(table.column(STATUS).to_pylist(), object)
    good = np.flatnonzero(status == OK)
    good = good[np.argsort(key[good], kind="stable")]
    some = _within(good, before.sum(axis=0))
    known = good[np.isfinite(confidence[good])]
    hundredths, thousandths = (
        np.rint(parts * confidence[known]).astype(np.int64) for parts in (100, 1000)
    )
    return {
        "file": file,
        "rows": table.num_rows,
        "tokens": {
            "original": run(histogram(before[before > 0])),
            "compressed": run(histogram(after[before > 0])),
        },
        "confidence": run(np.bincount(hundredths, minlength=HUNDREDTHS).astype(np.int64)),
        "sampled": len(some),
        "sampled_of": len(good),
        "facts": _facts(table.take(pa.array(some)), columns, len(good)),
        "reasons": _reasons(table, status, key),
        "random": _first_of_each([(int(key[row]), int(row)) for row in good], SHOWN),
        "worst": _worst(thousandths, key[known], known),
    }


def _within(rows: Ints, tokens: Ints) -> Ints:
    """The first of the rows: those that begin before `FACT_TOKENS` are full, none longer."""
    rows = rows[tokens[rows] <= FACT_TOKENS]
    begins = np.cumsum(tokens[rows]) - tokens[rows]
    return rows[begins < FACT_TOKENS]


def _facts(table: pa.Table, columns: Sequence[TextColumn], rows: int) -> dict[str, list[int]]:
    """Facts kept, and those that there were, in thousandths; scaled from the table to `rows`."""
    sums: dict[str, list[int]] = {}
    for column in columns:
        originals = [plain(value) or "" for value in contents_of(table.column(column.name))]
        compressed = [text or "" for text in table.column(column.compressed).to_pylist()]
        for kind, counts in count_kept([str(text) for text in originals], compressed).items():
            kept, there = counts.sum(axis=0).tolist()
            before = sums.setdefault(kind, [0, 0])
            sums[kind] = [before[0] + kept, before[1] + there]
    scale = 1000 * rows
    return {
        kind: [round(count * scale / table.num_rows) for count in counts]
        for kind, counts in sums.items()
        if counts[1]
    }


def _reasons(table: pa.Table, status: npt.NDArray[np.object_], key: Ints) -> list[list[Any]]:
    """[kind, message without its numbers, rows, key and row of one of them] of each reason."""
    found: dict[tuple[str, str], list[int]] = {}
    messages = table.column(ERROR)
    said = np.flatnonzero(messages.is_valid().to_numpy())
    for row, message in zip(said.tolist(), messages.take(pa.array(said)).to_pylist(), strict=True):
        kind = KINDS[0] if status[row] == FAILED else KINDS[1]
        pattern = _NUMBERS.sub("#", message)[:REASON_LENGTH]
        one = found.setdefault((kind, pattern), [0, int(key[row]), row])
        one[0] += 1
        one[1:] = min(one[1:], [int(key[row]), row])
    return [[*reason, *found[reason]] for reason in sorted(fewest(found))]


def _worst(thousandths: Ints, key: Ints, rows: Ints) -> list[list[int]]:
    order = np.lexsort((rows, key, thousandths))
    found = ((int(thousandths[at]), int(key[at]), int(rows[at])) for at in order)
    return _first_of_each(found, SHOWN)


def _first_of_each(rows: Any, most: int) -> list[list[int]]:
    """The first rows with different texts, in the order given; a row comes last in its tuple."""
    found: dict[tuple[int, ...], int] = {}
    for *key, row in rows:
        found.setdefault(tuple(key), row)
        if len(found) == most:
            break
    return [[*key, row] for key, row in found.items()]
