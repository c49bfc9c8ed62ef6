"""How fast a replica is, from the shards that it did in the trial: a price of each token, one of
each shard, and one of the start.

The trial's shards are smaller than the job's. What a shard costs beside its tokens (a last batch
that isn't full, files, what Ray does) would weigh too much if time went by tokens alone. So some of
them are slivers, and the line through both kinds gives the two prices. And while Ray starts its
processes, on the same cores, shards are slower, which may be most of them in a run of some seconds.
So a token's price is that of the faster shards, the lower quartile; what the run took beyond it
belongs to the start.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compressor.estimate.cluster import Setting
from compressor.estimate.config import EstimateConfig
from compressor.estimate.sampling import widening
from compressor.estimate.trial import SLIVER, Trial

Floats = npt.NDArray[np.float64]
UNDISTURBED = 0.25  # quantile of the prices


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one of several replicas at work, in seconds: of a token, of a shard beside its tokens, and
    of all else that the run took, calibration excepted.
    """

    token: float
    shard: float
    start: float

    @classmethod
    def measured(cls, trial: Trial) -> "Speed":
        """By the trial's replicas; zeros for prices where it saw no tokens."""
        others = trial.wall - trial.calibration
        if not trial.tokens.any():
            return cls(0.0, 0.0, others)
        small = slivers(trial.tokens)
        shard = 0.0
        if small.any():
            few, brief = (np.median(of[small]) for of in (trial.tokens, trial.seconds))
            many, long = (np.median(of[~small]) for of in (trial.tokens, trial.seconds))
            # By chance it may be less than nothing, or all that a shard takes.
            alone = brief - few * (long - brief) / (many - few)
            shard = float(np.clip(alone, 0.0, min(brief, long / 2)))
        token = float(np.quantile(prices(trial, shard), UNDISTURBED))
        # Of a replica that works at several shards at once each takes as much longer.
        span = float(trial.ends.max() - (trial.ends - trial.seconds).min())
        at_once = max(1.0, float(trial.seconds.sum()) / (span * trial.replicas))
        token, shard = token / at_once, shard / at_once
        rows = (trial.tokens.sum() * token + len(trial.tokens) * shard) / trial.replicas
        return cls(token, shard, max(0.0, others - float(rows)))


def replicates(
    config: EstimateConfig, setting: Setting, trial: Trial, here: Speed
) -> tuple[Floats, Floats]:
    """Seconds of a token and of a shard of a replica there, both float64 [1 + resamples].

    here: what was measured by the trial.
    """
    estimate = config.estimate
    if estimate.tokens_per_second is not None:
        known = np.full(1 + estimate.resamples, 1 / estimate.tokens_per_second)
        return known, np.zeros(1 + estimate.resamples)
    slower = _slower(config, prices(trial, here.shard)) / setting.faster
    return here.token * slower, here.shard * slower


def _slower(config: EstimateConfig, found: Floats) -> Floats:
    """How much longer it may take than it took, float64 [1 + resamples], the first 1.

    How the shards' own prices differ says how sure their quartile is.
    """
    estimate = config.estimate
    if not len(found):
        return np.ones(1 + estimate.resamples)
    # Another seed than that of the rows: the two are independent.
    generator = np.random.default_rng(estimate.seed + 1)
    again = generator.choice(found, (estimate.resamples, len(found)))
    spread = widening(len(found), estimate.confidence)
    ratio = np.quantile(again, UNDISTURBED, axis=1) / np.quantile(found, UNDISTURBED)
    relative = 1 + (ratio - 1) * spread
    slower: Floats = np.concatenate([[1.0], np.maximum(relative, 0.1)])
    return slower


def prices(trial: Trial, shard: float) -> Floats:
    """Seconds of a token in each shard that is no sliver and has some, float64 [up to k]."""
    counted = ~slivers(trial.tokens) & (trial.tokens > 0)
    seconds = np.maximum(trial.seconds[counted] - shard, trial.seconds[counted] / 4)
    found: Floats = seconds / trial.tokens[counted]
    return found


def slivers(tokens: Floats) -> npt.NDArray[np.bool_]:
    """Which shards are, bool [k]: those that have far less than the others."""
    small: npt.NDArray[np.bool_] = tokens < 4 / SLIVER * np.median(tokens)
    return small
