"""The rows of one output file against the same rows of the input. No Ray, no model: a tokenizer.

Input: two tables and what counts tokens; output: problems, each a line that names the row.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from compressor.config import CompressionSection
from compressor.corpus.columns import EMPTY, ERROR, FAILED, OK, STATUS, TextColumn, added_fields
from compressor.engine.outcome import OVER_BUDGET
from compressor.engine.subwords import TokenCounter
from compressor.pipeline.rows import contents_of, plain, texts_of
from compressor.report.align import is_selection

SLACK_TOKENS, SLACK_SHARE = 2, 0.02  # of its budget that a record may leave unused
SEPARATOR_TOKENS = 1  # what a blank before a word may cost
MOST_TRIED = 100
FORCED = OVER_BUDGET.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Checker:
    """What the rows of an output must be like."""

    settings: CompressionSection
    columns: Sequence[TextColumn]
    counter: TokenCounter

    def check(self, source: pa.Table, result: pa.Table) -> Iterator[str]:
        """Yield what is wrong with the rows of `result`, which were made of those of `source`."""
        wanted = [*source.schema.names, *(field.name for field in added_fields(self.columns))]
        if result.schema.names != wanted:
            yield f"has the columns {', '.join(result.schema.names)}, not {', '.join(wanted)}"
            return
        if result.num_rows != source.num_rows:
            yield f"has {result.num_rows} rows, not {source.num_rows}"
            return
        for name in source.schema.names:
            yield from _passthrough(name, source.column(name), result.column(name))
        rates: list[float | None] = [None] * source.num_rows
        if self.settings.rate_column is not None:
            given = source.column(self.settings.rate_column)
            rates = given.cast(pa.float64(), safe=False).to_pylist()
        for column in self.columns:
            yield from self._column(column, source, result, rates)

    def _column(
        self, column: TextColumn, source: pa.Table, result: pa.Table, rates: Sequence[float | None]
    ) -> Iterator[str]:
        texts = [plain(text) for text in contents_of(source.column(column.name))]
        compressed = result.column(column.compressed).to_pylist()
        before = result.column(column.original_tokens).to_pylist()
        after = result.column(column.compressed_tokens).to_pylist()
        statuses = result.column(STATUS).to_pylist()
        notes = result.column(ERROR).to_pylist()
        done = [row for row, text in enumerate(compressed) if text is not None]
        original = [texts[row] if isinstance(texts[row], str) else "" for row in done]
        counts = dict(zip(done, self.counter.count([str(t) for t in original]), strict=True))
        recounts = dict(
            zip(done, self.counter.count([compressed[row] for row in done]), strict=True)
        )
        for row, (text, short) in enumerate(zip(texts, compressed, strict=True)):
            where = f"row {row}: {column.compressed}"
            if statuses[row] not in {OK, EMPTY, FAILED}:
                yield f"row {row}: its status is {statuses[row]!r}"
            if short is None:
                if statuses[row] == FAILED and notes[row] is None:
                    yield f"row {row}: failed without a reason"
                elif statuses[row] != FAILED and text is not None:
                    yield f"{where} is null, but the text is not"
                continue
            if not isinstance(text, str):
                yield f"{where} is there without a text"
                continue
            own = rates[row]
            rate = self.settings.rate if own is None else own
            facts = (before[row], after[row], int(counts[row]), int(recounts[row]))
            yield from self._text(where, text, short, facts, rate, notes[row] or "")

    def _text(
        self,
        where: str,
        text: str,
        short: str,
        facts: tuple[int, int, int, int],
        rate: float,
        note: str,
    ) -> Iterator[str]:
        before, after, count, recount = facts
        if before != count:
            yield f"{where}: the text has {count} tokens, not {before}"
        if after != recount:
            yield f"{where} has {recount} tokens, not {after}"
        if not is_selection(text, short):
            yield f"{where} is no selection of the text's own words"
        target = self.settings.target_tokens or max(1, round(rate * count))
        whole = rate >= 1 if self.settings.scope == "corpus" else target >= count
        if whole and short != text:
            yield f"{where} differs from the text, which fits its budget as it is"
        if self.settings.scope == "record" and recount > target and FORCED not in note:
            yield f"{where} has {recount} tokens, its budget is {target}"
        if self.settings.scope == "record" and self._has_more_to_give(
            text, short, target, target - recount
        ):
            yield f"{where} has {recount} tokens, although words fit its budget of {target}"

    def _has_more_to_give(self, text: str, short: str, target: int, left: int) -> bool:
        """Whether a word that was dropped as a whole would fit what is `left` of the budget."""
        if left <= max(SLACK_TOKENS, SLACK_SHARE * target):
            return False
        if self.settings.drop_consecutive:  # words are left out that no budget asks for
            return False
        dropped = [*(Counter(text.split()) - Counter(short.split()))][:MOST_TRIED]
        costs = self.counter.count(dropped)
        return bool(len(costs)) and int(min(costs)) + SEPARATOR_TOKENS <= left


def _passthrough(name: str, source: pa.ChunkedArray, result: pa.ChunkedArray) -> Iterator[str]:
    if not result.type.equals(source.type):  # a Delta table holds plainer types
        try:
            result = result.cast(source.type)
        except pa.ArrowException:
            yield f"column {name!r} is {result.type}, not {source.type}"
            return
    if result.equals(source):
        return
    mine, theirs = _values(source), _values(result)
    for row, (left, right) in enumerate(zip(mine, theirs, strict=True)):
        if left != right:
            yield f"row {row}: column {name!r} is not what it was"


def _values(column: pa.ChunkedArray) -> list[Any]:
    """As text: equal where the values are, not-a-number included."""
    return [repr(scalar) for scalar in texts_of(column)]
