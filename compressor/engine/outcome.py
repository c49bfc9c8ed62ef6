"""A batch that is done, on its way out: as columns for a table, or as single results."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.compression import Columns, Compression
from compressor.engine.document import Batch
from compressor.engine.flat import FlatTexts
from compressor.engine.render import Gaps, render
from compressor.engine.selection import Kept

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

OVER_BUDGET = "force tokens alone exceed the budget: {} tokens kept, target {}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The texts of a batch, what is kept of each, and the seconds that the model took."""

    texts: Sequence[str]
    batch: Batch
    gaps: Gaps
    probability: Floats
    kept: Kept
    model_seconds: float

    def columns(self) -> Columns:
        """One row for each text."""
        kept = self.kept
        return Columns(
            self._rendered(),
            self.batch.tokens,
            kept.tokens,
            self._confidence(),
            self._notes(),
            self.model_seconds,
        )

    def compressions(self) -> list[Compression]:
        """One result for each text; their arrays are views of the batch's."""
        columns, batch, keep = self.columns(), self.batch, self.kept.keep
        spans = np.stack([batch.units.start, batch.units.end], 1) - batch.base[batch.row][:, None]
        words, word_splits = _part(spans, ~batch.blank, batch.splits)
        kept, kept_splits = _part(spans, keep, batch.splits)
        probabilities = self.probability[~batch.blank]
        original, compressed = columns.original_tokens.tolist(), columns.compressed_tokens.tolist()
        return [
            Compression(
                text=text,
                original_tokens=original[row],
                compressed_tokens=compressed[row],
                note=columns.notes.get(row),
                probabilities=probabilities[word_splits[row] : word_splits[row + 1]],
                _original=self.texts[row],
                _words=words[word_splits[row] : word_splits[row + 1]],
                _kept=kept[kept_splits[row] : kept_splits[row + 1]],
            )
            for row, text in enumerate(columns.texts)
        ]

    def _confidence(self) -> Floats:
        """float32 [n]; 1 for texts without words."""
        rows, n = self.batch.row, len(self.batch)
        weight = np.where(self.batch.blank, 0, self.probability)
        whole = np.bincount(rows, weight, n)
        kept = np.bincount(rows, np.where(self.kept.keep, weight, 0), n)
        kept[self.kept.whole] = whole[self.kept.whole]
        return np.divide(kept, whole, out=np.ones(n), where=whole > 0).astype(np.float32)

    def _rendered(self) -> FlatTexts:
        """The kept text of each record; where all of it stays, the text itself."""
        rows = np.arange(len(self.batch))
        rendered = render(self.batch, self.gaps, self.kept.keep, rows)
        whole = np.flatnonzero(self.kept.whole)
        if not len(whole):
            return rendered
        originals = FlatTexts.of([self.texts[row] for row in whole.tolist()])
        rows[whole] = len(rows) + np.arange(len(whole))
        return FlatTexts.concat([rendered, originals]).take(rows)

    def _notes(self) -> dict[int, str]:
        target, tokens = self.kept.target, self.kept.tokens
        if target is None:
            return {}
        over = np.flatnonzero(~self.kept.whole & (tokens > target))
        return {row: OVER_BUDGET.format(tokens[row], target[row]) for row in over.tolist()}


def _part(spans: Ints, some: npt.NDArray[np.bool_], splits: Ints) -> tuple[Ints, list[int]]:
    """Some of the spans, and where those of each text begin."""
    before = np.concatenate([[0], np.cumsum(some)])
    return spans[some], before[splits].tolist()
