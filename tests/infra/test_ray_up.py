"""aws.yaml: by Ray's own check of such files, and by what that check lets pass."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.infra.manifests import INFRA

Change = Callable[[dict[str, Any]], Any]


def cluster() -> dict[str, Any]:
    text = (INFRA / "ray" / "aws.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def check(config: dict[str, Any]) -> None:
    """Ray's schema; then what it takes though it can't work."""
    from ray.autoscaler._private.util import validate_config

    validate_config(config)
    kinds = config["available_node_types"]
    total = config["max_workers"]
    for name, kind in kinds.items():
        least, most = kind.get("min_workers", 0), kind.get("max_workers", total)
        if name == config["head_node_type"]:
            most = kind.get("max_workers", 0)
        if not 0 <= least <= most <= total:
            raise ValueError(f"{name}: min_workers {least}, max_workers {most}, of {total} in all")
        if {"InstanceType", "IamInstanceProfile"} - set(kind["node_config"]):
            raise ValueError(f"{name}: has no InstanceType or no IamInstanceProfile")
    if "InstanceMarketOptions" in kinds[config["head_node_type"]]["node_config"]:
        raise ValueError("the head is on spot")


def test_it_is_right() -> None:
    check(cluster())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(idle_timeout="5"), "idle_timeout"),
        (lambda c: c.update(max_workers="8"), "8"),
        (lambda c: c.update(head_node_type="no such"), "head_node_type"),
        (lambda c: c["available_node_types"]["workers"].update(min_workers=9), "workers"),
        (lambda c: c["available_node_types"]["workers"].update(max_workers=99), "99"),
        (lambda c: c["available_node_types"]["workers"].update(min_worker=1), "min_worker"),
        (lambda c: c["available_node_types"]["workers"]["node_config"].pop("InstanceType"), "Type"),
        (lambda c: c["docker"].update(imagee="x"), "imagee"),
        (
            lambda c: c["available_node_types"]["head"]["node_config"].update(
                InstanceMarketOptions={"MarketType": "spot"}
            ),
            "spot",
        ),
    ],
)
def test_a_broken_one_is_refused(change: Change, said: str) -> None:
    broken = copy.deepcopy(cluster())
    change(broken)
    with pytest.raises(Exception, match=said):
        check(broken)


def test_nothing_of_ray_s_defaults_is_installed() -> None:
    """A key that is missing would be filled in with commands that install another Ray."""
    config = cluster()
    for key in ("initialization_commands", "setup_commands"):
        assert config[key] == []
    for key in ("head_setup_commands", "worker_setup_commands"):
        assert config[key] == []
    assert any("ray start --head" in line for line in config["head_start_ray_commands"])
    assert not any("dashboard-host" in line for line in config["head_start_ray_commands"])
    assert any("--address=$RAY_HEAD_IP:6379" in x for x in config["worker_start_ray_commands"])


def test_workers_are_on_spot_and_the_head_does_no_work() -> None:
    kinds = cluster()["available_node_types"]
    options = kinds["workers"]["node_config"]["InstanceMarketOptions"]
    assert options["MarketType"] == "spot"
    assert kinds["workers"]["min_workers"] == 0
    assert kinds["head"]["resources"] == {"CPU": 0}
    images = cluster()["docker"]
    assert images["head_image"] == images["worker_image"]  # Ray wants the same packages


def test_there_is_no_key_in_it() -> None:
    text = (INFRA / "ray" / "aws.yaml").read_text(encoding="utf-8").lower()
    for word in ("aws_access_key", "aws_secret", "password", "ssh_private_key", "aws_credentials"):
        assert word not in text
