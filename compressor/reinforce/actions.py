"""Sampled prunings of one question's candidates, and how likely the policy makes them.

Candidates are visited by falling probability of being kept, the order in which inference takes
them: a shot that ranks high is always decided about. Each is asked about as long as its expected
tokens would bring the prompt nearer to the budget: then the first stage keeps or drops it, and the
second stage keeps or drops its words. So an early shot that goes, or words that go, make room for
later shots, and what the policy is rewarded for is the exchange. Only decisions that were asked for
have a probability: of visited shots, and of the words of kept ones that aren't fixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import logsigmoid

from compressor.reinforce.config import SHOTS, WORDS
from compressor.reinforce.observe import Candidates
from compressor.reinforce.policy import Logits
from compressor.reinforce.words import Words

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rollouts:
    """n prunings of k candidates with w words.

    asked, drawn: bool [n, k], which shots were decided about, and for keeping; kept: bool [n, k],
    what is in the prompt (one at least); words: bool [n, w]; acted: bool [n, w], words that were
    decided about; prompts: the pruned shots as they stand in a prompt; tokens: int64 [n], of those.
    """

    asked: Flags
    drawn: Flags
    kept: Flags
    words: Flags
    acted: Flags
    prompts: Sequence[str]
    tokens: Ints


def sample(
    candidates: Candidates,
    logits: Logits,
    *,
    budget: int,
    repeats: int,
    stages: Sequence[str],
    generator: np.random.Generator,
) -> Rollouts:
    """Draw `repeats` prunings; a stage that isn't in `stages` keeps everything."""
    words = candidates.words
    keep_shot, keep_word = probabilities(words, logits, stages)
    drawn = generator.random((repeats, len(keep_shot))) < keep_shot
    chosen = generator.random((repeats, len(keep_word))) < keep_word
    return carry_out(candidates, logits, drawn, chosen, budget=budget, stages=stages)


def probabilities(words: Words, logits: Logits, stages: Sequence[str]) -> tuple[Floats, Floats]:
    """Of keeping each shot and each word, float64 [k] and [w]; 1 where nothing decides."""
    keep_shot = _probability(logits.shots) if SHOTS in stages else np.ones(len(words))
    keep_word = _probability(logits.words) if WORDS in stages else np.ones(len(words.row))
    return keep_shot, np.where(words.fixed, 1.0, keep_word)


def carry_out(
    candidates: Candidates,
    logits: Logits,
    drawn: Flags,
    chosen: Flags,
    *,
    budget: int,
    stages: Sequence[str],
) -> Rollouts:
    """What becomes of drawn decisions: about shots, bool [n, k], and about words, bool [n, w]."""
    words = candidates.words
    k = len(words)
    keep_shot, keep_word = probabilities(words, logits, stages)
    expected = expected_costs(words, keep_word)
    asked, kept = np.zeros_like(drawn), np.zeros_like(drawn)
    rank = ranked(logits, k, stages)
    prompts, tokens = [], np.zeros(len(drawn), np.int64)
    for n in range(len(drawn)):
        texts = words.texts(chosen[n], np.arange(k))
        asked[n, rank], kept[n, rank] = visit(
            drawn[n, rank], expected[rank], words.costs(texts)[rank], budget
        )
        if not kept[n].any():
            kept[n, int(keep_shot.argmax())] = True
        text, tokens[n] = words.joined([texts[at] for at in prompt_order(kept[n])])
        prompts.append(text)
    acted = kept[:, words.row] & ~words.fixed & (WORDS in stages)
    return Rollouts(asked & (SHOTS in stages), drawn, kept, chosen, acted, prompts, tokens)


def ranked(logits: Logits, shots: int, stages: Sequence[str]) -> Ints:
    """The order in which shots are taken, int64 [k]: the likeliest first, of equals the nearest;
    where the first stage decides nothing, the nearest first.
    """
    if SHOTS not in stages:
        return np.arange(shots)
    return np.argsort(-logits.shots.detach().double().cpu().numpy(), kind="stable")


def visit(
    drawn: Flags, expected: npt.ArrayLike, costs: npt.ArrayLike, budget: int
) -> tuple[Flags, Flags]:
    """Which shots are asked about and which are kept, bool [k] each; visited in the order given.

    expected, costs: [k], tokens that a shot is expected to take, and those that it takes.
    """
    expected, costs = np.asarray(expected), np.asarray(costs)
    asked, kept = np.zeros(len(drawn), bool), np.zeros(len(drawn), bool)
    total = 0.0
    for at in range(len(drawn)):
        # |T - t - c| < |T - t|: with it the prompt is nearer to the budget than without.
        asked[at] = expected[at] < 2 * (budget - total)
        kept[at] = asked[at] and drawn[at]
        total += float(costs[at]) if kept[at] else 0.0
    return asked, kept


def prompt_order(kept: Flags) -> list[int]:
    """The kept shots as they stand in a prompt: the nearest one last, right before the question."""
    order: list[int] = np.flatnonzero(kept)[::-1].tolist()
    return order


def expected_costs(words: Words, keep_word: Floats) -> Floats:
    """Tokens that each shot is expected to take, a separator behind it, float64 [k]."""
    dropped = np.bincount(words.row, (1 - keep_word) * words.cost, len(words))
    return np.asarray(words.whole - dropped, np.float64)


def log_probability(logits: Logits, rollouts: Rollouts) -> torch.Tensor:
    """log p(shot actions) + log p(word actions) of each rollout, float32 [n]."""
    return _log_p(logits.shots, rollouts.drawn, rollouts.asked) + _log_p(
        logits.words, rollouts.words, rollouts.acted
    )


def entropies(logits: Logits, rollouts: Rollouts) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean entropy, in nats, of the decisions about shots and of those about words."""
    return (
        _mean(_entropy(logits.shots), rollouts.asked),
        _mean(_entropy(logits.words), rollouts.acted),
    )


def divergence(logits: Logits, start: Logits, rollouts: Rollouts) -> tuple[float, float]:
    """Mean KL(policy || start), in nats, of the decisions about shots and of those about words."""
    return (
        float(_mean(_kl(logits.shots, start.shots), rollouts.asked)),
        float(_mean(_kl(logits.words, start.words), rollouts.acted)),
    )


def _probability(logits: torch.Tensor) -> Floats:
    return torch.sigmoid(logits.detach().double()).cpu().numpy()


def _log_p(logits: torch.Tensor, actions: Flags, counted: Flags) -> torch.Tensor:
    sign = torch.from_numpy(np.where(actions, 1.0, -1.0).astype(np.float32)).to(logits.device)
    some = torch.from_numpy(counted.astype(np.float32)).to(logits.device)
    return (logsigmoid(sign * logits) * some).sum(1)


def _entropy(logits: torch.Tensor) -> torch.Tensor:
    p = torch.sigmoid(logits)
    return -(p * logsigmoid(logits) + (1 - p) * logsigmoid(-logits))


def _kl(logits: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    p = torch.sigmoid(logits)
    return p * (logsigmoid(logits) - logsigmoid(start)) + (1 - p) * (
        logsigmoid(-logits) - logsigmoid(-start)
    )


def _mean(values: torch.Tensor, counted: Flags) -> torch.Tensor:
    """Over the decisions of all rollouts; 0 where there are none."""
    weight = torch.from_numpy(counted.sum(0).astype(np.float32)).to(values.device)
    return (values * weight).sum() / weight.sum().clamp(min=1)
