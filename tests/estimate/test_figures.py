"""From totals and a trial to time, cost and break-even; and the replicas that they are for."""

from typing import Any

import numpy as np
import pytest

from compressor.config import ClusterSection
from compressor.corpus.shards import Piece, Shard, Shards
from compressor.errors import InputError
from compressor.estimate.cluster import Setting, cluster_nodes, setting_of
from compressor.estimate.config import EstimateConfig
from compressor.estimate.figures import DRIVER_SECONDS, Work, figures, statuses, uneven
from compressor.estimate.sampling import Totals
from compressor.estimate.trial import Trial
from compressor.pipeline.resources import Node
from compressor.schema import load

RESAMPLES = 100
IN_PAIRS = [0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8]


def config(*settings: str) -> EstimateConfig:
    return load(
        EstimateConfig, None, ["input.path=x", f"estimate.resamples={RESAMPLES}", *settings]
    )


def shards(*rows: int) -> Shards:
    return Shards.of(
        Shard(at, (Piece("a", "v", at, at, n),), f"{at:016x}") for at, n in enumerate(rows)
    )


def totals(before: float, after: float, distinct: float = 1.0, spread: float = 0.0) -> Totals:
    noise = 1 + spread * np.random.default_rng(0).normal(size=1 + RESAMPLES)
    noise[0] = 1
    same = np.ones(1 + RESAMPLES)
    return Totals(5 * before * noise, before * noise, after * noise, distinct * same)


def trial(
    tokens: list[float],
    seconds: list[float],
    calibration: float = 0.0,
    replicas: int = 1,
    ends: list[float] | None = None,
) -> Trial:
    return Trial(
        np.zeros(0),
        np.zeros(0),
        ["ok"],
        replicas,
        np.array(tokens),
        np.array(seconds),
        np.cumsum(seconds) / replicas if ends is None else np.array(ends),
        calibration,
        10.0 + calibration + sum(seconds) / replicas,
        "cpu float32",
    )


HERE = ClusterSection()


def setting(here: int = 1, there: int = 1, **more: Any) -> Setting:
    values = {"cpus": 2.0, "gpus": 0.0, "faster": 1.0, "assumed": ()} | more
    return Setting(HERE, "auto", here, there, **values)


def estimate(*settings: str, of: Setting | None = None, **more: Any) -> dict[str, Any]:
    work = more.get("work", Work(4000, 400, shards(*[1000] * 4), 2.0))
    return figures(
        config(*settings),
        of or setting(),
        work,
        more.get("totals", totals(1_000_000, 400_000)),
        more.get("trial", trial([1000.0] * 8, [0.1] * 8)),
    )


def test_time_is_start_plan_and_tokens_by_speed() -> None:
    found = estimate()
    assert found["tokens_per_second"].value == pytest.approx(10_000)
    assert found["seconds"].value == pytest.approx(10 + 2 + 100)
    assert found["rate"].value == pytest.approx(0.4)
    assert found["saved_tokens"].value == pytest.approx(600_000)


def test_more_replicas_are_faster_as_far_as_shards_can_be_shared() -> None:
    found = estimate(of=setting(there=4))
    assert found["seconds"].value == pytest.approx(12 + 25)
    three = estimate(of=setting(there=3))
    assert three["seconds"].value == pytest.approx(12 + 50)  # one of the three has two shards
    assert uneven(shards(5, 5, 5, 5), 3) == pytest.approx(1.5)
    assert uneven(shards(7), 1) == 1


def test_what_two_did_here_is_for_two() -> None:
    both = trial([1000.0] * 8, [0.2] * 8, replicas=2, ends=IN_PAIRS)
    two, one = setting(here=2, there=2), setting(here=2, there=1)
    assert estimate(of=two, trial=both)["seconds"].value == pytest.approx(112)
    assert estimate(of=one, trial=both)["seconds"].value == pytest.approx(212)


def test_what_a_shard_costs_beside_its_tokens() -> None:
    """0.1 s each: much of the trial's shards, little of the job's."""
    slivers = trial([1000.0, 1000.0, 50.0] * 4, [0.2, 0.2, 0.105] * 4)
    found = estimate(trial=slivers)
    assert found["seconds"].value == pytest.approx(12 + 100 + 4 * 0.1)
    assert found["tokens_per_second"].value == pytest.approx(1_000_000 / 100.4)
    many = Work(4000, 400, shards(*[1] * 4000), 2.0)
    assert estimate(trial=slivers, work=many)["seconds"].value == pytest.approx(12 + 100 + 400)


def test_shards_at_once_hide_each_other() -> None:
    """Two at a time, each of which takes 0.2 s: the replica is as fast as with one of 0.1 s."""
    work = trial([1000.0] * 8, [0.2] * 8, ends=IN_PAIRS)
    assert estimate(trial=work)["tokens_per_second"].value == pytest.approx(10_000)


def test_shards_that_were_disturbed_are_no_measure() -> None:
    """What they took longer, 0.8 s, is the start's."""
    work = trial([1000.0] * 8, [0.1, 0.5, 0.1, 0.5, *[0.1] * 4])
    assert estimate(trial=work)["seconds"].value == pytest.approx(10.8 + 2 + 100)


def test_repetitions_go_through_the_model_once() -> None:
    found = estimate(totals=totals(1_000_000, 400_000, distinct=0.5))
    assert found["seconds"].value == pytest.approx(12 + 50)


def test_what_is_known_is_not_measured() -> None:
    found = estimate(
        "estimate.tokens_per_second=50000", "estimate.startup_seconds=3", of=setting(there=2)
    )
    assert found["tokens_per_second"].value == 100_000
    assert found["seconds"].value == pytest.approx(3 + 2 + 10)
    assert found["seconds"].low == found["seconds"].high


def test_a_driver_hands_out_only_so_many_shards() -> None:
    many = Work(10_000, 400, shards(*[1] * 10_000), 0.0)
    found = estimate("estimate.tokens_per_second=1e9", work=many)
    assert found["seconds"].value == pytest.approx(10 + 10_000 * DRIVER_SECONDS)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_threshold_for_the_corpus_is_found_by_one_replica(replicas: int) -> None:
    """2,000 of the 4,000 rows are read for it; for the 400 of the sample it took 3 s."""
    of = setting(here=replicas, there=replicas)
    plain, found = (
        estimate(trial=trial([1000.0] * 8, [0.1] * 8, calibration=seconds), of=of)["seconds"].value
        for seconds in (0.0, 3.0)
    )
    assert found - plain == pytest.approx(3.0 * 2000 / 400)


def test_cost_worth_and_break_even() -> None:
    found = estimate(
        "estimate.price_per_cpu_hour=0.5",
        "output.price_per_million_tokens=2.0",
        of=setting(there=2),
    )
    hours = found["seconds"].value / 3600
    assert found["cost"].value == pytest.approx(hours * 2 * 2.0 * 0.5)
    assert found["worth_per_use"].value == pytest.approx(0.6 * 2.0)
    assert found["break_even_uses"].value == pytest.approx(found["cost"].value / 1.2)


def test_a_gpu_has_its_price() -> None:
    gpu = setting(gpus=1.0, cpus=8.0)
    assert estimate("estimate.price_per_cpu_hour=1", of=gpu)["cost"] is None
    found = estimate("estimate.price_per_gpu_hour=3.6", of=gpu)
    assert found["cost"].value == pytest.approx(found["seconds"].value / 1000)
    both = estimate("estimate.price_per_gpu_hour=3.6", "estimate.price_per_cpu_hour=0.1", of=gpu)
    assert both["cost"].value == pytest.approx(found["seconds"].value * (3.6 + 0.8) / 3600)


def test_without_a_price_or_a_saving_there_is_no_break_even() -> None:
    assert estimate()["cost"] is None
    nothing = estimate("estimate.price_per_cpu_hour=1", totals=totals(1e6, 1e6))
    assert nothing["break_even_uses"] is None


def test_intervals_come_from_rows_and_rounds() -> None:
    sure = estimate()
    assert sure["seconds"].low == pytest.approx(sure["seconds"].high)
    rows = estimate(totals=totals(1_000_000, 400_000, spread=0.05))
    assert rows["seconds"].high / rows["seconds"].low == pytest.approx(1.19, abs=0.06)
    assert rows["rate"].low == pytest.approx(rows["rate"].high)  # both move together
    rounds = estimate(trial=trial([1000.0] * 8, [0.05, 0.15] * 4))
    assert rounds["seconds"].low < 100 < 112 < rounds["seconds"].high
    assert rounds["original_tokens"].low == rounds["original_tokens"].high


def test_a_sample_without_text_takes_no_time() -> None:
    found = estimate(totals=totals(0, 0), trial=trial([0.0], [0.1]))
    assert found["seconds"].value == pytest.approx(12.1 + 4 * DRIVER_SECONDS)
    assert found["rate"].value == 1


def test_rows_by_status() -> None:
    assert statuses(["ok", "ok", "error", "empty"], 1000) == {
        "empty": 250,
        "error": 250,
        "ok": 500,
    }


@pytest.mark.parametrize(
    ("settings", "node", "here", "there", "assumed"),
    [
        ([], Node(2), 1, 1, ""),
        (["cluster.replicas=2"], Node(2), 2, 2, ""),
        (["cluster.replicas=[1, 9]"], Node(2), 1, 1, ""),
        (["estimate.replicas=8"], Node(2), 1, 8, "8 replicas do 8 times what 1 did here"),
        (["cluster.address=auto"], Node(2), 1, 1, "estimate.replicas says how many"),
        (["cluster.address=auto", "cluster.replicas=[2, 6]"], Node(2), 1, 6, "6 replicas do"),
        (["cluster.cpus_per_replica=16"], Node(2), 1, 1, "16 CPUs does 8 times"),
        ([], Node(16, 1), 1, 1, ""),
        (["cluster.gpus_per_replica=1"], Node(2), 1, 1, "GPU there, a CPU here"),
        (["model.device=cuda"], Node(2), 1, 1, "GPU there, a CPU here"),
        (["model.device=cuda", "estimate.tokens_per_second=7e5"], Node(2), 1, 1, ""),
    ],
)
def test_replicas_here_and_there(
    settings: list[str], node: Node, here: int, there: int, assumed: str
) -> None:
    found = setting_of(config(*settings), node, 100)
    assert (found.here, found.there) == (here, there)
    assert assumed in " ".join(found.assumed)
    assert bool(assumed) == bool(found.assumed)
    assert found.cluster.address is None


@pytest.mark.parametrize(
    ("settings", "nodes", "there", "cpus", "faster", "assumed"),
    [
        ([], [Node(2)], 1, 2, 1, ""),
        ([], [Node(16)] * 3, 3, 16, 8, "16 CPUs does 8 times"),
        (["cluster.replicas=2"], [Node(2)] * 2, 2, 2, 1, "2 replicas do 2 times"),
        (["cluster.replicas=[1, 4]"], [Node(2)] * 2, 4, 2, 1, "its autoscaler brings the others"),
        ([], [Node(8), Node(16, 2)], 2, 8, 1, "GPU there, a CPU here"),
        (["cluster.replicas=9", "cluster.cpus_per_replica=2"], [Node(2)], 9, 2, 1, "9 replicas do"),
    ],
)
def test_the_replicas_of_a_cluster_that_was_asked(
    settings: list[str], nodes: list[Node], there: int, cpus: float, faster: float, assumed: str
) -> None:
    found = setting_of(config("cluster.address=auto", *settings), Node(2), 100, nodes)
    assert (found.there, found.cpus, found.faster) == (there, cpus, faster)
    assert assumed in " ".join(found.assumed)
    assert found.cluster.address is None


def test_a_cluster_is_asked_for_its_nodes(ray_session: None) -> None:
    assert [node.cpus for node in cluster_nodes(config("cluster.address=auto"))] == [4]
    assert not cluster_nodes(config())
    assert not cluster_nodes(config("cluster.address=ray://10.0.0.1:1", "estimate.replicas=3"))


def test_only_replicas_that_have_something_to_do_are_measured() -> None:
    found = setting_of(config("cluster.replicas=2"), Node(2), 1)
    assert (found.here, found.there, found.cpus) == (1, 1, 2)  # the whole machine is paid for
    assert (found.cluster.replicas, found.cluster.cpus_per_replica) == (1, 1)


def test_no_more_replicas_than_shards() -> None:
    assert setting_of(config("estimate.replicas=8"), Node(2), 3).there == 3


def test_what_no_machine_mends_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.device is cpu"):
        setting_of(config("model.device=cpu", "cluster.gpus_per_replica=1"), Node(2), 3)
