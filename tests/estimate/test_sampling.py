"""Totals from a sample: right on average, and as sure as they say, on skewed corpora.

A corpus here is numbers: bytes and tokens of each row, drawn by the real sampling of row groups and
rows, with the bytes of its groups as footers would say them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from compressor.corpus.files import RowGroup, SourceFile
from compressor.corpus.sample import Drawn, draw_rows
from compressor.estimate.sampling import Corpus, Sample, Totals, totals, widening
from compressor.evaluate.statistics import interval

SEEDS = 200
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Bytes and tokens of all rows, and the rows of each row group, one file each."""

    text: Floats
    before: Floats
    after: Floats
    sizes: list[int]
    encoded: float = 1.0  # what a footer says of a byte of text

    def estimate(self, wanted: int, seed: int) -> Totals:
        ends = np.cumsum(self.sizes)
        sums = np.array([self.text[e - n : e].sum() for e, n in zip(ends, self.sizes, strict=True)])
        footers = (sums * self.encoded + 4 * np.array(self.sizes)).astype(int)
        files = [
            SourceFile(str(at), 1, "", (RowGroup(n, 10, int(footers[at])),), pa.schema([]))
            for at, n in enumerate(self.sizes)
        ]
        draws = draw_rows(files, wanted, seed=seed)
        drawn = [
            Drawn(
                pa.table({"n": d.places}),
                self.sizes[d.file],
                int(sums[d.file]),
                int(sums[d.file]),
                int(footers[d.file]),
            )
            for d in draws
        ]
        at = np.concatenate([ends[d.file] - self.sizes[d.file] + d.places for d in draws])
        sample = Sample.of(
            draws, drawn, text=self.text[at], before=self.before[at], after=self.after[at]
        )
        corpus = Corpus(len(self.text), len(self.sizes), int(footers.sum()))
        return totals(corpus, sample, resamples=400, seed=seed, confidence=0.95)


def skewed(groups: int, size: int, *, drift: float = 0.0, encoded: float = 1.0) -> Rows:
    """Log-normal lengths, tokens a byte that differ by row (and by row group, with `drift`)."""
    generator = np.random.default_rng(7)
    n = groups * size
    text = np.round(np.exp(generator.normal(6, 1.2, n))) + 1
    place = np.repeat(np.linspace(-1, 1, groups), size)
    per_byte = 0.25 * np.exp(generator.normal(0, 0.25, n) + drift * place)
    before = np.ceil(text * per_byte)
    after = np.ceil(before * np.clip(generator.normal(0.5, 0.1, n), 0.1, 1))
    return Rows(text, before, after, [size] * groups, encoded)


CORPORA = {
    "one row group": skewed(1, 20_000),
    "few row groups": skewed(8, 1500),
    "many row groups": skewed(400, 50),
    "many that differ": skewed(300, 60, drift=0.4, encoded=0.6),
}


@pytest.mark.parametrize("name", CORPORA)
def test_unbiased_and_the_interval_holds_the_truth_19_times_of_20(name: str) -> None:
    rows = CORPORA[name]
    truth = rows.before.sum(), rows.after.sum()
    estimates, held = np.zeros((SEEDS, 2)), np.zeros(2)
    for seed in range(SEEDS):
        found = rows.estimate(320, seed)
        for at, values in enumerate((found.before, found.after)):
            estimates[seed, at] = values[0]
            bounds = interval(values[1:], 0.95)
            held[at] += bounds.low <= truth[at] <= bounds.high
    errors = estimates / truth - 1
    # On average right: within three standard errors of the mean, and within 1 %.
    assert (np.abs(errors.mean(0)) < np.maximum(3 * errors.std(0) / SEEDS**0.5, 1e-9)).all()
    assert (np.abs(errors.mean(0)) < 0.01).all()
    share = held / SEEDS
    # 200 draws of a true 95 % lie in 0.90 .. 0.99; drift along the files makes intervals wider
    # than they need be, for the draws are at equal distances.
    assert (share >= 0.90).all(), share
    assert (share <= (1.0 if "differ" in name else 0.995)).all(), share


def test_the_ratio_is_what_makes_it_precise() -> None:
    """The mean of a row's tokens times the rows, from as many rows, errs several times as much."""
    rows = CORPORA["one row group"]
    truth, generator = rows.before.sum(), np.random.default_rng(0)
    ratio = [rows.estimate(320, seed).before[0] / truth - 1 for seed in range(50)]
    plain = [
        rows.before[generator.integers(len(rows.before), size=320)].mean()
        * len(rows.before)
        / truth
        - 1
        for _ in range(50)
    ]
    assert np.std(ratio) < np.std(plain) / 3


def test_all_rows_leave_nothing_to_doubt() -> None:
    rows = skewed(5, 40)
    found = rows.estimate(200, 0)
    assert found.before[0] == pytest.approx(rows.before.sum())
    assert np.ptp(found.before) == pytest.approx(0, abs=1e-6)
    assert found.text[0] == rows.text.sum()


def test_no_text_is_no_tokens() -> None:
    nothing = np.zeros(100)
    found = Rows(nothing, nothing, nothing, [50, 50]).estimate(20, 0)
    assert not found.before.any()
    assert (found.distinct == 1).all()


def test_few_units_are_less_sure() -> None:
    assert widening(1, 0.95) == 1.0
    assert widening(8, 0.95) == pytest.approx(2.365 / 1.960 * (8 / 7) ** 0.5, rel=0.03)
    assert widening(10_000, 0.95) == pytest.approx(1, abs=1e-3)
