"""What is printed of an estimate, and of a run beside it."""

from dataclasses import replace

import pytest

from compressor.estimate.check import Outcome
from compressor.estimate.estimate import Estimate
from compressor.estimate.figures import Figure
from compressor.estimate.show import compared, lines

FOUND = Estimate(
    plan={"rows": 1300, "files": 4, "bytes": 600_000, "text_bytes": 590_000, "shards": 2},
    rows_by_status={"ok": 1290, "empty": 10},
    figures={
        "original_tokens": Figure(1000.0, 950.0, 1050.0),
        "compressed_tokens": Figure(500.0, 480.0, 520.0),
        "rate": Figure(0.5, 0.49, 0.51),
        "saved_tokens": Figure(500.0, 470.0, 530.0),
        "tokens_per_second": Figure(10.0, 9.0, 11.0),
        "seconds": Figure(3700.0, 3000.0, 4000.0),
        "cost": Figure(0.5, 0.4, 0.6),
        "worth_per_use": Figure(0.25, 0.2, 0.3),
        "break_even_uses": Figure(2.0, 1.5, 2.5),
    },
    replicas={"there": 2, "here": 1, "cpus": 2.0, "gpus": 0.0, "price_per_hour": 0.1},
    sampled={
        "rows": 100,
        "row_groups": 4,
        "row_groups_there": 13,
        "ran_on": "cpu bfloat16",
        "rounds": 8,
        "confidence": 0.95,
        "seed": 0,
    },
    speed_is_known=False,
    startup_seconds=12.0,
    plan_seconds=0.25,
    prices={"gpu_hour": None, "cpu_hour": 0.05, "million_tokens": 2.5},
    assumed=("something was assumed",),
)


def shown(found: Estimate) -> dict[str, str]:
    return {line[:20].strip(): line[20:] for line in lines(found)}


def test_every_figure_has_its_interval() -> None:
    said = shown(FOUND)
    assert said["rows"] == "1,300 (about 10 empty)"
    assert said["tokens"] == "1,000 [950, 1,050]"
    assert said["rate"] == "0.500 [0.490, 0.510]"
    assert said["time"].startswith("1:01:40 [50:00, 1:06:40]")
    assert said["cost"] == "0.5 [0.4, 0.6] at 0.1 a replica and hour"
    assert said["pays after"] == "2.00 [1.50, 2.50] uses of the whole corpus"
    assert said["tokens/s"].endswith("measured on cpu bfloat16")
    assert said["assumed"] == "something was assumed"


@pytest.mark.parametrize(("gpus", "key"), [(0.0, "cpu"), (1.0, "gpu")])
def test_without_a_price_it_says_which_key_sets_one(gpus: float, key: str) -> None:
    figures = FOUND.figures | {"cost": None, "break_even_uses": None}
    said = shown(replace(FOUND, figures=figures, replicas=FOUND.replicas | {"gpus": gpus}))
    assert said["cost"] == f"unknown: set estimate.price_per_{key}_hour"
    assert said["pays after"] == "unknown without a cost"


def test_what_saves_nothing_never_pays() -> None:
    said = shown(replace(FOUND, figures=FOUND.figures | {"break_even_uses": None}))
    assert said["pays after"] == "never: nothing is saved"


def test_a_speed_that_was_given_is_not_called_measured() -> None:
    assert shown(replace(FOUND, speed_is_known=True))["tokens/s"].endswith("as configured")


def test_side_by_side() -> None:
    _, tokens, seconds = compared(FOUND, Outcome({"original_tokens": 800.0, "seconds": 3500.0}))
    assert tokens.split() == [
        "original",
        "tokens",
        "1,000",
        "[950,",
        "1,050]",
        "800",
        "+25.0%",
        "no",
    ]
    assert seconds.split()[-2:] == ["+5.7%", "yes"]
