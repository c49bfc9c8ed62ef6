"""Keep masks carried out: texts within their budgets, as the engine writes and counts them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.engine.document import Batch
from compressor.engine.flat import FlatTexts
from compressor.engine.render import Gaps, render

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Carried:
    """texts[i][j]: what mask i leaves of text j; tokens: int64 [masks, texts], of these."""

    texts: list[list[str]]
    tokens: Ints


def carry_out(
    batch: Batch,
    keep: Flags,
    targets: Ints,
    chances: Floats,
    count: Callable[[FlatTexts], Ints],
) -> Carried:
    """What masks of a batch leave of its texts; keep: bool [n, u]; chances: P(keep), [u].

    targets: int64 [texts], what no text exceeds. Where neighbours that came together count more
    than they did apart, which is rare, the least likely words go until the text fits.
    """
    gaps, rows = Gaps.of(batch), np.arange(len(batch))
    texts, tokens = [], []
    for mask in keep:
        some = mask.copy()
        written = render(batch, gaps, some, rows)
        counted = count(written)
        while (over := np.flatnonzero(counted > targets)).size:
            for row in over.tolist():
                _drop_least(batch, some, chances, row)
            written = render(batch, gaps, some, rows)
            counted = count(written)
        texts.append(list(written))
        tokens.append(counted)
    return Carried(texts, np.stack(tokens))


def _drop_least(batch: Batch, keep: Flags, chances: Floats, row: int) -> None:
    """Drop the least likely word that is kept of a text, and its marks; in place."""
    part = np.arange(batch.splits[row], batch.splits[row + 1])
    kept = part[keep[part] & ~batch.units.punctuation[part]]
    least = kept[np.argmin(chances[kept])]
    keep[part[batch.units.owner[part] == least]] = False
