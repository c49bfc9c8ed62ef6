"""The words of some shots: what can be dropped of each, what must stay, and the text that is left.

In: shots, the encoder's tokenizer and the judge's. Out: `Words`, flat arrays over all shots. Words,
punctuation and separators are the engine's: what is rendered is a selection of the shot's own
characters, in order, and a mark goes with its word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from compressor.engine.document import Batch, build_batch
from compressor.engine.render import Gaps, render
from compressor.engine.subwords import TokenCounter
from compressor.evaluate.facts import find_facts
from compressor.reader.prompts import ANSWER, QUESTION, SEPARATOR
from compressor.reinforce.shots import Shot

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIRST_POSITIONS = 3
"""Sub-words at the start of a shot that always stay (as in the paper)."""
_OPERATOR = r"(?<=[\s\d).%])(?:[-+*/×÷=<>^]|x(?=\s*[\d$(]))(?=[\s\d($.])"
_MARKS = rf"####|[Tt]he\s+answer\s+is|^{QUESTION.strip()}|^{ANSWER.strip()}"
_PROTECTED = regex.compile(f"{_OPERATOR}|{_MARKS}", regex.MULTILINE)


@dataclass(frozen=True, slots=True)
class Words:
    """k shots, w words, u units (words and marks) and t sub-words of the encoder.

    of_unit: int64 [u], the word that a unit goes with; row: int64 [w], the shot of a word; fixed:
    bool [w], words that always stay; in_question: bool [w]; of_position: int64 [t], the word that
    each sub-word belongs to, -1 for none; cost: int64 [w], about what a word adds, in tokens of the
    judge; whole: int64 [k], tokens of each shot as it is, a separator behind it.
    """

    batch: Batch
    gaps: Gaps
    of_unit: Ints
    row: Ints
    fixed: Flags
    in_question: Flags
    of_position: Ints
    cost: Ints
    whole: Ints
    counter: TokenCounter

    @classmethod
    def of(cls, shots: Sequence[Shot], encoder: TokenCounter, counter: TokenCounter) -> "Words":
        """`encoder` parts the texts, `counter` (the judge's tokenizer) counts them."""
        texts = [shot.text for shot in shots]
        batch = build_batch(texts, encoder, counter)
        units = batch.units
        own = units.owner == np.arange(len(units.owner))
        of_unit = (np.cumsum(own) - 1)[units.owner]
        words = int(own.sum())
        first_unit = np.flatnonzero(own)
        row = batch.row[first_unit]
        of_position = _word_of_position(batch, of_unit)
        fixed = np.zeros(words, bool)
        fixed[of_unit[_touched(batch, _spans(texts, batch.base))]] = True
        for start, end in zip(batch.subwords.splits[:-1], batch.subwords.splits[1:], strict=True):
            at = of_position[start : min(end, start + FIRST_POSITIONS)]
            fixed[at[at >= 0]] = True
        ends = batch.base + np.array([shot.question_end for shot in shots], np.int64)
        return cls(
            batch=batch,
            gaps=Gaps.of(batch),
            of_unit=of_unit,
            row=row,
            fixed=fixed,
            in_question=units.start[first_unit] < ends[row],
            of_position=of_position,
            cost=np.bincount(of_unit, batch.cost, words).astype(np.int64),
            whole=counter.count([text + SEPARATOR for text in texts]),
            counter=counter,
        )

    def __len__(self) -> int:
        return len(self.batch)

    def texts(self, keep: Flags, shots: Ints) -> list[str]:
        """What is left of some shots (sorted); keep: bool [w]."""
        return list(render(self.batch, self.gaps, keep[self.of_unit], shots))

    def costs(self, texts: Sequence[str]) -> Ints:
        """Tokens of pruned shots, each with a separator behind it, int64 [n]."""
        return self.counter.count([text + SEPARATOR for text in texts])

    def joined(self, texts: Sequence[str]) -> tuple[str, int]:
        """Pruned shots as they stand in a prompt, and the tokens of that, counted as a whole."""
        text = SEPARATOR.join(text for text in texts if text)
        return text, int(self.counter.count([text])[0])

    def starts(self) -> tuple[Ints, Ints]:
        """(shot, character in its text) where each word begins, int64 [w] each."""
        own = self.batch.units.owner == np.arange(len(self.batch.units.owner))
        start = self.batch.units.start[own]
        return self.row, start - self.batch.base[self.row]


def _spans(texts: Sequence[str], base: Ints) -> Ints:
    """Protected spans in the flat batch, int64 [n, 2]: numbers, units, operators, answer marks."""
    found = [
        (at + start, at + end)
        for text, at in zip(texts, base.tolist(), strict=True)
        for start, end in _protected(text)
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _protected(text: str) -> Iterator[tuple[int, int]]:
    for fact in find_facts(text):
        if fact.kind in {"number", "unit"}:
            yield fact.start, fact.end
    for match in _PROTECTED.finditer(text):
        yield match.span()


def _touched(batch: Batch, spans: Ints) -> Flags:
    """Units that share a character with a span, bool [u]."""
    low = np.searchsorted(batch.units.end, spans[:, 0], "right")
    high = np.searchsorted(batch.units.start, spans[:, 1], "left")
    edges = np.zeros(len(batch.row) + 1, np.int64)
    some = high > low
    np.add.at(edges, low[some], 1)
    np.add.at(edges, high[some], -1)
    return np.asarray(np.cumsum(edges)[:-1] > 0)


def _word_of_position(batch: Batch, of_unit: Ints) -> Ints:
    """The word of the unit that each sub-word begins in; -1 for white space alone."""
    start, end = batch.subwords.start, batch.subwords.end
    if not len(batch.row):
        return np.full(len(start), -1)
    unit = np.searchsorted(batch.units.start, start, "right") - 1
    inside = (end > start) & (unit >= 0) & (start < batch.units.end[unit])
    return np.where(inside, of_unit[unit], -1)
