"""Ways to fill a budget with worked examples: a trained policy, and what it must beat.

All choose from one pool, count by one tokenizer, never exceed the budget, and put the nearest
example last, right before the question; no question is shown its own example, or one that tells it
anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from compressor.engine.compressor import Compressor
from compressor.engine.subwords import TokenCounter
from compressor.evaluate.cells import ORIGINAL
from compressor.evaluate.inputs import fingerprint
from compressor.models.resolve import digest, resolve
from compressor.prune.pruner import Nearest, Pruner
from compressor.reader.prompts import SEPARATOR
from compressor.reinforce.observe import word_logits
from compressor.reinforce.prune import fill
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.shots import Shot, told_anew
from compressor.reinforce.words import Words

_ABOUT = 8
"""Tokens by which texts may have fewer together than one by one: what is larger can't fit."""
Fill = Callable[[str, int], str]
"""(question, budget in tokens) -> the examples in front of it."""


@dataclass(frozen=True)
class Contender:
    """A way to fill budgets; in the place of an evaluation's rate stands the budget."""

    name: str
    identity: str
    fill: Fill

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        return [self.fill(question, round(rate)) for question in texts]


class Fillers:
    """The contenders, which share a pool, an encoder and a counter."""

    def __init__(
        self,
        pruner: Pruner,
        policy_digest: str,
        pool: Pool,
        *,
        candidates: int,
        compressor: str,
        device: str,
        seed: int,
        many: bool,
    ) -> None:
        """candidates: the nearest examples among which all but `random` choose; many: so many
        prompts will be asked for that policies look at the whole pool once.
        """
        self._pruner, self._pool, self._seed = pruner, pool, seed
        self._candidates, self._compressor_name, self._device = candidates, compressor, device
        self._counter: TokenCounter = pruner.counter
        self._pruners, self._unasked = [pruner], many
        self._near: dict[str, Nearest] = {}
        self._pruned: dict[tuple[str, int], tuple[str, list[int]]] = {}
        texts = [shot.text for shot in pool.shots]
        self._shared = fingerprint(texts, pruner.encoder.identity, candidates)
        self._policy = policy_digest

    def load(self, name: str) -> Contender:
        """The contender of that name, one of `FILLERS`."""
        return Contender(name, f"{name} {FILLERS[name](self)} {self._shared}", getattr(self, name))

    def of(self, label: str, pruner: Pruner, policy_digest: str) -> Contender:
        """What another policy makes of the same examples, under a name of its own."""
        self._pruners.append(pruner)

        def fill(question: str, budget: int) -> str:
            return self._prune(pruner, question, budget)[0]

        return Contender(label, f"pruned {policy_digest} {self._shared}", fill)

    def nothing(self) -> Contender:
        """No examples at all."""
        return Contender(ORIGINAL, "no examples", lambda *_: "")

    def pruned(self, question: str, budget: int) -> str:
        """What the policy makes of the nearest examples."""
        return self._of_policy(question, budget)[0]

    def random(self, question: str, budget: int) -> str:
        """Whole examples in random order, as many as fit."""
        generator = np.random.default_rng(
            [self._seed, int(fingerprint(question)[:8], 16)]  # the same whoever else is asked
        )
        shots = (self._pool.shots[at] for at in generator.permutation(len(self._pool.shots)))
        some: list[Shot] = []
        for shot in shots:
            if len(some) == self._candidates:
                break
            if not told_anew(question, shot.question):
                some.append(shot)
        return self._filled(some, budget)

    def retrieval(self, question: str, budget: int) -> str:
        """Whole examples, the nearest first, as many as fit."""
        return self._filled(self._nearest(question), budget)

    def truncated(self, question: str, budget: int) -> str:
        """The nearest examples one after the other, the nearest first, cut off at the budget."""
        text = SEPARATOR.join(shot.text for shot in self._nearest(question))
        end = self._counter.encode([text]).end
        cut = text if len(end) <= budget else text[: int(end[budget - 1])]
        while cut and int(self._counter.count([cut])[0]) > budget:
            cut = cut[:-1]
        return cut

    def compressed(self, question: str, budget: int) -> str:
        """The examples that the policy keeps, whole, of which the likeliest words stay that fit.

        What parts the examples stays, too: a model takes them for one where that is lost.
        """
        shots = [self._pool.shots[at] for at in reversed(self._of_policy(question, budget)[1])]
        if not shots:
            return ""
        words = Words.of(shots, self._pruner.encoder.tokenizer, self._counter)
        chances = word_logits(self._compressor, words, [shot.text for shot in shots])
        return fill(words, chances, budget).text

    def policy_identity(self) -> str:
        return self._policy

    def compressor_identity(self) -> str:
        return f"{self._policy} {digest(resolve(self._compressor_name))} 2"

    def random_identity(self) -> str:
        return str(self._seed)

    def no_identity(self) -> str:
        return ""

    def _of_policy(self, question: str, budget: int) -> tuple[str, list[int]]:
        if (question, budget) not in self._pruned:
            self._pruned[question, budget] = self._prune(self._pruner, question, budget)
        return self._pruned[question, budget]

    def _prune(self, pruner: Pruner, question: str, budget: int) -> tuple[str, list[int]]:
        if self._unasked:
            first, *others = self._pruners
            found = first.opinions(self._pool.shots, *others)
            for one, own in zip(self._pruners, found, strict=True):
                one.know(own)
            self._unasked = False
        pruned, shots = pruner.for_question(question, self._pool, self._looked(question), budget)
        return pruned.text, shots

    def _nearest(self, question: str) -> list[Shot]:
        chosen, _ = self._looked(question)
        return [self._pool.shots[at] for at in chosen.tolist()]

    def _looked(self, question: str) -> Nearest:
        """The candidates of a question, looked for once, whoever asks and for whatever budget."""
        if question not in self._near:
            (self._near[question],) = self._pruner.nearest(
                [question], self._pool, self._candidates, apart=True
            )
        return self._near[question]

    def _filled(self, shots: Sequence[Shot], budget: int) -> str:
        own = self._counter.count([shot.text for shot in shots]).tolist()
        taken: list[str] = []
        tokens = 0
        for shot, size in zip(shots, own, strict=True):
            if tokens + size > budget + _ABOUT:
                continue
            trial = SEPARATOR.join([shot.text, *taken])
            found = int(self._counter.count([trial])[0])
            if found <= budget:
                taken.insert(0, shot.text)
                tokens = found
        return SEPARATOR.join(taken)

    @cached_property
    def _compressor(self) -> Compressor:
        return Compressor.from_pretrained(self._compressor_name, device=self._device)


FILLERS: dict[str, Callable[[Fillers], str]] = {
    "pruned": Fillers.policy_identity,
    "random": Fillers.random_identity,
    "retrieval": Fillers.no_identity,
    "compressed": Fillers.compressor_identity,
    "truncated": Fillers.no_identity,
}
"""What decides each one's prompts apart from pool, encoder and candidates."""
