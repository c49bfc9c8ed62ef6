"""The environment: passages at rates, what is left of them, and what the judge recovers from that.

The reward of a compression is what it wins: the judge's NLL of what is wanted without any passage,
less that after the compression, over the mean of what whole passages win (of answers and of
continuations apart). So its mean over items is the recovery that the job `evaluate` reports: a sum
of gains over a sum of possible gains, which single quotients, that explode where a passage hardly
helps, would not be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from compressor.engine.document import Batch, build_batch
from compressor.engine.options import Selection
from compressor.engine.outcome import Outcome
from compressor.engine.render import Gaps
from compressor.engine.selection import choose
from compressor.engine.subwords import TokenCounter
from compressor.errors import InputError
from compressor.evaluate.facts import count_kept
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.judge import Judge
from compressor.reinforce.tokens.carried import Carried
from compressor.reinforce.tokens.items import ANSWER, CONTINUATION
from compressor.reinforce.tokens.policy import TokenPolicy
from compressor.reinforce.tokens.references import Judged, losses

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Posed:
    """Passages with the rate of each, float64 [n], and all of them as a batch.

    targets: int64 [n], tokens that may be kept of each.
    """

    items: Sequence[Judged]
    rates: Floats
    batch: Batch
    targets: Ints


class World:
    """Poses passages and says what compressions of them are worth."""

    def __init__(
        self,
        training: Sequence[Judged],
        heldout: Sequence[Judged],
        tokenizer: TokenCounter,
        counter: TokenCounter,
        config: ReinforceConfig,
    ) -> None:
        """tokenizer: the compressor's; counter: the judge's. Some items of a kind on both sides.

        Raises `InputError` where whole passages tell the judge nothing, so that nothing can be won.
        """
        self.tokenizer = tokenizer
        self._heldout, self._counter, self._config = heldout, counter, config
        self._kinds = {
            kind: [one for one in training if one.item.kind == kind]
            for kind in (ANSWER, CONTINUATION)
        }
        self._kinds = {kind: own for kind, own in self._kinds.items() if own}
        self._gainable = {
            kind: float(np.mean([one.gainable for one in own])) for kind, own in self._kinds.items()
        }
        if min(self._gainable.values()) <= 0:
            raise InputError(
                "passages.least_gain: lets in passages that tell the judge nothing; raise it"
            )

    def pose(self, generator: np.random.Generator) -> Posed:
        """The passages of a step, different ones, each at a rate that is drawn as well."""
        count = self._config.training.questions
        share = self._config.passages.pairs_share
        pairs = int(generator.binomial(count, share)) if len(self._kinds) > 1 else count
        drawn: list[Judged] = []
        for own, wanted in zip(self._kinds.values(), (pairs, count - pairs), strict=False):
            chosen = generator.choice(len(own), min(wanted, len(own)), replace=False)
            drawn += [own[at] for at in chosen.tolist()]
        rates = generator.choice(self._config.compressor.rates, len(drawn))
        return self.posed(drawn, np.asarray(rates, np.float64))

    def posed(self, items: Sequence[Judged], rates: Floats) -> Posed:
        batch = build_batch([one.item.text for one in items], self.tokenizer)
        targets = np.maximum(1, np.round(rates * batch.tokens).astype(np.int64))
        return Posed(items, rates, batch, targets)

    def rewards(self, posed: Posed, carried: Carried, judge: Judge) -> list[Floats]:
        """Of each passage's compressions, float64 [masks] each."""
        contexts = [list(own) for own in zip(*carried.texts, strict=True)]
        left = losses([one.item for one in posed.items], contexts, judge, self._counter)
        return [
            (one.bare - own) / self._gainable[one.item.kind]
            for one, own in zip(posed.items, left, strict=True)
        ]

    def heldout_figures(self, policy: TokenPolicy, judge: Judge) -> dict[str, float]:
        """Recovery of the held-out passages, compressed as the engine does it, and facts kept.

        `reward`: the mean over kinds and rates; `answer_0.5` and so on: of one kind at one rate.
        """
        texts = [one.item.text for one in self._heldout]
        rates = self._config.compressor.rates
        batch = build_batch(texts, self.tokenizer)
        with torch.no_grad():
            chances = policy(batch).float().numpy()
        shown = [self._compressed(texts, batch, chances, rate) for rate in rates]
        items = [one.item for one in self._heldout]
        left = np.stack(losses(items, list(zip(*shown, strict=True)), judge, self._counter))
        bare = np.array([one.bare for one in self._heldout])
        gainable = np.array([one.gainable for one in self._heldout])
        found: dict[str, float] = {}
        for kind in self._kinds:
            own = np.array([item.kind == kind for item in items])
            for rate, nll in zip(rates, left.T, strict=True):
                won = float((bare - nll)[own].sum() / gainable[own].sum())
                found[f"{kind}_{rate:g}"] = won
        kinds = {
            kind: float(np.mean([found[f"{kind}_{rate:g}"] for rate in rates]))
            for kind in self._kinds
        }
        counts = [list(count_kept(texts, some).values()) for some in shown]
        kept, there = np.sum(counts, (0, 1, 2)).tolist()
        reward, facts = float(np.mean(list(kinds.values()))), kept / max(1, there)
        return {"reward": reward, **kinds, "facts": facts, **found}

    def _compressed(
        self, texts: Sequence[str], batch: Batch, chances: npt.NDArray[np.float32], rate: float
    ) -> list[str]:
        gaps, rates = Gaps.of(batch), np.full(len(texts), rate)
        kept = choose(batch, gaps, chances, rates, Selection(rates), self.tokenizer.count)
        return list(Outcome(texts, batch, gaps, chances, kept, 0.0).columns().texts)
