"""What policies make of the shots of a pool, each by itself, worked out once for all questions.

A question changes how near a shot is, and nothing else that a policy sees of it: its hidden states,
the logits of its words, what is left of it and the tokens of that are the same for every question.
So where many are asked, the pool goes through encoder and policy once, and a question costs no more
than its own embedding and the few shots that fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch

from compressor.reinforce.observe import Observer
from compressor.reinforce.policy import Policy
from compressor.reinforce.prune import kept_words, left_over
from compressor.reinforce.saved import Description
from compressor.reinforce.shots import Shot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

SHOTS_AT_ONCE = 64
"""Blocks of a pool, in its order: what a shot gets must not depend on who asks."""


@dataclass(frozen=True)
class Opinions:
    """Of n shots with w words in all, by one policy.

    shots: float32 [n], logits of keeping them, without what a question adds; words: float32 [w],
    logits of their words; counts: int64 [n], words of each; tokens: int64 [n], of what is left of
    each, a separator behind, 0 where nothing is; least: int64 [n], the same of its fixed words
    alone; whole: int64 [n], of it as it is.
    """

    shots: Floats
    words: Floats
    counts: Ints
    tokens: Ints
    least: Ints
    whole: Ints

    @classmethod
    def joined(cls, parts: Sequence["Opinions"]) -> "Opinions":
        """Of the shots of all parts, in order."""
        return cls(
            *(np.concatenate([getattr(one, part.name) for one in parts]) for part in fields(cls))
        )

    def words_of(self, shots: Ints) -> Floats:
        """The logits of the words of these shots, one after the other."""
        ends = np.cumsum(self.counts)
        parts = [self.words[ends[at] - self.counts[at] : ends[at]] for at in shots.tolist()]
        return np.concatenate([np.zeros(0, np.float32), *parts])


def pays(questions: int, candidates: int, shots: int) -> bool:
    """Whether so many questions look at more candidates than the pool has shots."""
    return questions * candidates > shots


def opinions(
    observer: Observer, policies: Sequence[tuple[Policy, Description]], shots: Sequence[Shot]
) -> list[Opinions]:
    """Those of each policy; all of them see the same, which is made once."""
    found: list[list[Opinions]] = [[] for _ in policies]
    for first in range(0, len(shots), SHOTS_AT_ONCE):
        candidates = observer.observe(shots[first : first + SHOTS_AT_ONCE])
        words = candidates.words
        least = words.costs(words.texts(words.fixed, np.arange(len(words))))
        for (policy, about), own in zip(policies, found, strict=True):
            with torch.inference_mode():
                logits = policy.alone(candidates.seen)
            keep = kept_words(words, logits, about.threshold, about.stages)
            own.append(
                Opinions(
                    shots=logits.shots.cpu().numpy(),
                    words=logits.words.cpu().numpy(),
                    counts=np.bincount(words.row, minlength=len(words)),
                    tokens=left_over(words, keep)[1],
                    least=least,
                    whole=words.whole,
                )
            )
    return [Opinions.joined(own) for own in found]
