"""compose.yaml: by the Compose specification, closed to the network, and without secrets."""

import copy
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.infra.commands import compose
from tests.infra.manifests import INFRA, ROOT

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def specification() -> Any:
    """The JSON schema of the Compose specification, as check-jsonschema ships it."""
    found = importlib.util.find_spec("check_jsonschema")
    if found is None or found.origin is None:
        pytest.skip("wants check-jsonschema (extra `infra`)")
    vendor = Path(found.origin).parent / "builtin_schemas" / "vendor"
    schema = json.loads((vendor / "compose-spec.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def test_it_is_what_the_specification_says(specification: Any) -> None:
    specification.validate(compose())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["services"]["head"].update(port=["8265"]), "port"),
        (lambda c: c["services"]["head"].update(command=5), "5"),
        (lambda c: c.update(service={}), "service"),
        (lambda c: c["services"]["minio"]["healthcheck"].update(every="2s"), "every"),
    ],
)
def test_a_broken_one_is_refused(specification: Any, change: Change, said: str) -> None:
    broken = copy.deepcopy(compose())
    change(broken)
    with pytest.raises(jsonschema.ValidationError, match=said):
        specification.validate(broken)


def test_services_wait_for_what_they_need() -> None:
    services = compose()["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert services[name]["healthcheck"]["test"][0] == "CMD"
            else:
                assert wanted["condition"] == "service_completed_successfully"
                assert "healthcheck" not in services[name]


def test_images_are_pinned() -> None:
    for service in compose()["services"].values():
        assert not re.search(r":latest$|^[^:]+$", service["image"])
        if "build" in service:
            folder = (INFRA / "docker" / service["build"]["context"]).resolve()
            assert folder == ROOT
            assert (folder / service["build"]["dockerfile"]).exists()
            assert service["image"].endswith(f"-{service['build']['target']}")


def test_the_object_store_has_room_in_shared_memory() -> None:
    for name in ("head", "worker"):
        service = compose()["services"][name]
        (size,) = re.findall(r"--object-store-memory=(\d+)", service["command"])
        assert service["shm_size"] == "1gb"
        assert int(size) < 0.95 * 2**30


def test_only_this_machine_reaches_it() -> None:
    for service in compose()["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_keys_come_from_the_environment() -> None:
    """With defaults that say what they are."""
    text = (INFRA / "docker" / "compose.yaml").read_text(encoding="utf-8")
    values = re.findall(
        r"(?:PASSWORD|SECRET_ACCESS_KEY|ACCESS_KEY_ID|USER|TOKEN): (\S+)$", text, re.M
    )
    assert len(values) >= 5
    assert all(re.fullmatch(r"\$\{\w+:-(local-\w+)?\}", value) for value in values)


def test_the_configuration_is_mounted_where_the_command_looks() -> None:
    (mounted,) = compose()["services"]["head"]["configs"]
    file = INFRA / "docker" / compose()["configs"][mounted["source"]]["file"]
    assert file.exists()
    assert mounted["target"] == "/etc/compressor/compress.yaml"
