"""What a sample says of the whole corpus: tokens before and after, by ratio to the text's bytes.

In: the rows of the draws with their tokens, and the bytes of the text from the footers; out:
totals, each as its estimate followed by bootstrap replicates of it. Texts differ in length far more
than in tokens a byte. So tokens a byte are what is estimated, and the bytes are known: exactly
where all row groups were read, else from the footers, corrected by what the drawn ones hold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from compressor.corpus.sample import Draw, Drawn
from compressor.evaluate.statistics import Sums, bootstrap

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What footers say: rows, row groups that have any, encoded bytes of the text columns."""

    rows: int
    groups: int
    footer_bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """d draws of row groups with n rows in all.

    draw: int64 [n], the draw of each row; text, before, after: float64 [n], its bytes and tokens;
    group: int64 [d], equal for draws of one row group; rows, group_text, distinct, footer: float64
    [d], the rows of that row group, and the bytes of its text: all, without repetitions, and as its
    footer says.
    """

    draw: Ints
    text: Floats
    before: Floats
    after: Floats
    group: Ints
    rows: Floats
    group_text: Floats
    distinct: Floats
    footer: Floats

    @classmethod
    def of(
        cls,
        draws: Sequence[Draw],
        drawn: Sequence[Drawn],
        *,
        text: Floats,
        before: Floats,
        after: Floats,
    ) -> "Sample":
        """text, before, after: in the order of the draws and of their rows."""
        pairs = np.array([(draw.file, draw.group) for draw in draws], np.int64).reshape(-1, 2)
        return cls(
            np.repeat(np.arange(len(drawn)), [len(one.table) for one in drawn]),
            text,
            before,
            after,
            np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1),
            np.array([one.rows for one in drawn], float),
            np.array([one.text_bytes for one in drawn], float),
            np.array([one.distinct_bytes for one in drawn], float),
            np.array([one.footer_bytes for one in drawn], float),
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the corpus, float64 [1 + resamples] each: the estimate, then replicates of it.

    text: bytes; before, after: tokens; distinct: share of the text that repeats no other of its row
    group, 0 to 1.
    """

    text: Floats
    before: Floats
    after: Floats
    distinct: Floats


def totals(
    corpus: Corpus, sample: Sample, *, resamples: int, seed: int, confidence: float
) -> Totals:
    """Estimate; the replicates spread as the estimate would over other samples."""
    # Each draw stands for as many rows of the corpus, however few its row group could give.
    weight = 1 / np.bincount(sample.draw, minlength=len(sample.rows))[sample.draw]
    if len(sample.text) == corpus.rows:
        weight = np.ones(corpus.rows)
    own = np.stack([sample.text, sample.before, sample.after], 1) * weight[:, None]
    firsts = np.unique(sample.group, return_index=True)[1]
    all_read = len(firsts) == corpus.groups
    if all_read:
        units = own
    else:  # row groups differ, so what is drawn again is whole draws
        units = np.zeros((len(sample.rows), 6))
        np.add.at(units[:, :3], sample.draw, own)
        each = np.stack([sample.group_text, sample.distinct, sample.footer], 1)
        units[:, 3:] = each / sample.rows[:, None]
    again = bootstrap(Sums(units, np.ones(len(units))), resamples=resamples, seed=seed)
    means = np.concatenate([units.mean(0)[None], again])
    if all_read:
        text = np.full(len(means), sample.group_text[firsts].sum())
        distinct = np.full(len(means), sample.distinct[firsts].sum())
    else:
        per_row, distinct_per_row, footer_per_row = means[:, 3:].T
        rows = _share(np.full(len(means), float(corpus.footer_bytes)), footer_per_row)
        text, distinct = rows * per_row, rows * distinct_per_row
    size = units[:, 0]  # few large ones among many small are few
    alike = float(size.sum() ** 2 / max(1e-300, (size**2).sum()))
    spread = math.sqrt(1 - len(sample.text) / corpus.rows) * widening(alike, confidence)
    return Totals(
        *(
            np.maximum(0, values[0] + (values - values[0]) * spread)
            for values in (
                text,
                text * _share(means[:, 1], means[:, 0]),
                text * _share(means[:, 2], means[:, 0]),
                _share(distinct, text, nothing=1.0),
            )
        )
    )


def widening(units: float, confidence: float) -> float:
    """By how much the percentiles of so few resampled units are too narrow, a factor of 1 or more.

    Student's t over the normal, by the first term of its expansion, and n over n - 1.
    """
    if units <= 1:
        return 1.0
    units = max(units, 2.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return (1 + (z * z + 1) / (4 * (units - 1))) * math.sqrt(units / (units - 1))


def _share(top: Floats, bottom: Floats, nothing: float = 0.0) -> Floats:
    out: Floats = np.full(len(top), nothing)
    return np.divide(top, bottom, out=out, where=bottom > 0)
