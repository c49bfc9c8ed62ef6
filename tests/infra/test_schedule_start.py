"""start.py of the schedule: a run like the template, never two, and the outcome as exit code."""

import runpy
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.api_server import TOKEN, ApiServer
from tests.infra.manifests import INFRA, overlay

SCRIPT = runpy.run_path(str(INFRA / "kubernetes" / "overlays" / "schedule" / "start.py"))
TEMPLATE, RUN = "compressor-refresh", "compressor-refresh-run"
SECONDS = 0.01

Start = Callable[[], int]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """With the template that the overlay renders."""
    with ApiServer() as server:
        (template,) = (d for d in overlay("schedule") if d["kind"] == "RayJob")
        server.add({**template, "status": {"jobDeploymentStatus": "Suspended"}})
        yield server


@pytest.fixture
def start(api: ApiServer, tmp_path: Path) -> Start:
    (tmp_path / "namespace").write_text("here\n")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    cluster = SCRIPT["Cluster"](api.url, tmp_path)
    return lambda: int(SCRIPT["start"](cluster, TEMPLATE, RUN, SECONDS))


def in_background(start: Start) -> tuple[threading.Thread, list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(start()))
    thread.start()
    return thread, codes


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(SECONDS)


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("Complete", "SUCCEEDED", 0),
        ("Failed", "FAILED", 1),
        ("Failed", "RUNNING", 1),
        ("ValidationFailed", "", 1),
    ],
)
def test_the_outcome_is_the_exit_code(
    api: ApiServer, start: Start, state: str, status: str, code: int
) -> None:
    thread, codes = in_background(start)
    wait_for(lambda: RUN in api.jobs)
    template, run = api.jobs[TEMPLATE], api.jobs[RUN]
    assert run["spec"] == {**template["spec"], "suspend": False}
    assert "status" not in run
    time.sleep(5 * SECONDS)
    assert not codes  # it waits
    api.finish(RUN, state, status)
    thread.join(10)
    assert codes == [code]
    assert api.jobs[TEMPLATE]["spec"]["suspend"] is True


def test_a_run_that_is_there_is_left_alone(
    api: ApiServer, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    run = api.add({"metadata": {"name": RUN}, "spec": {}})
    for state in ("", "Initializing", "Running", "Retrying", "Waiting"):
        api.finish(RUN, state, "RUNNING")
        assert start() == 0
        assert "nothing is started" in capsys.readouterr().out
    assert run is not None
    assert api.jobs[RUN]["metadata"]["uid"] == run["metadata"]["uid"]
    assert {method for method, _ in api.calls} == {"GET"}


def test_a_finished_run_makes_room_for_the_next(api: ApiServer, start: Start) -> None:
    old = api.add({"metadata": {"name": RUN}, "spec": {}})
    assert old is not None
    api.finish(RUN, "Failed", "FAILED")
    thread, codes = in_background(start)
    wait_for(lambda: RUN in api.jobs and api.jobs[RUN]["metadata"]["uid"] != old["metadata"]["uid"])
    api.finish(RUN, "Complete", "SUCCEEDED")
    thread.join(10)
    assert codes == [0]


def test_of_many_at_once_one_starts(api: ApiServer, start: Start) -> None:
    api.add({"metadata": {"name": RUN}, "spec": {}})
    api.finish(RUN, "Complete", "SUCCEEDED")
    many = [in_background(start) for _ in range(8)]
    wait_for(lambda: sum(bool(codes) for _, codes in many) == 7)
    api.finish(RUN, "Failed", "FAILED")
    for thread, _ in many:
        thread.join(10)
    assert sorted(code for _, codes in many for code in codes) == [0] * 7 + [1]


def test_an_api_server_that_is_away_for_a_moment(api: ApiServer, start: Start) -> None:
    thread, codes = in_background(start)
    wait_for(lambda: RUN in api.jobs)
    api.down = 3
    wait_for(lambda: api.down == 0)
    api.finish(RUN, "Complete", "SUCCEEDED")
    thread.join(10)
    assert codes == [0]


def test_what_is_missing_is_said(
    api: ApiServer, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    thread, codes = in_background(start)
    wait_for(lambda: RUN in api.jobs)
    del api.jobs[RUN]
    thread.join(10)
    assert codes == [1]
    del api.jobs[TEMPLATE]
    assert start() == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"error: {RUN} was removed before its end",
        f"error: there is no RayJob {TEMPLATE}",
    ]
