"""What jobs say on stderr: lines for people, or with `--log-format json` for machines."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from compressor.log import is_error

SCRIPT = """
import logging, sys, warnings
from compressor.cli import job
from compressor.errors import JobError
from compressor.log import note
from compressor.report.config import InspectConfig

@job(InspectConfig, "speaks", "Speaks.")
def main(config):
    note("progress", "1/2 rows\\nso far", rows=1)
    note("only", number=7)
    logging.getLogger("somebody.else").warning("mind the %s", "gap")
    warnings.warn("old")
    print("result")
    if config.input.path == "fails":
        raise JobError("it broke")

main()
"""


def speak(*arguments: str, environment: dict[str, str] | None = None) -> Any:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment,
    )


def objects(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


def test_text_is_for_people() -> None:
    done = speak("input.path=fails")
    assert done.returncode == 1
    assert done.stdout == "result\n"
    lines = done.stderr.splitlines()
    assert lines[0] == "1/2 rows so far"
    assert lines[-1] == "error: it broke"
    assert "mind the gap" in done.stderr
    assert '"number"' not in done.stderr


def test_json_is_an_object_a_line_whoever_speaks() -> None:
    done = speak("input.path=fails", "--log-format", "json")
    assert done.returncode == 1
    assert done.stdout == "result\n"
    found = objects(done.stderr)
    events = [line["event"] for line in found]
    assert events == ["started", "progress", "only", "log", "log", "error"]
    for line in found:
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
        assert line["job"] == "speaks"
    assert found[1] | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "progress",
        "job": "speaks",
        "message": "1/2 rows so far",
        "rows": 1,
    }
    assert (found[2]["number"], "message" in found[2]) == (7, False)
    assert (found[3]["logger"], found[3]["message"]) == ("somebody.else", "mind the gap")
    assert (found[4]["logger"], found[4]["level"]) == ("py.warnings", "warning")
    assert (found[5]["level"], found[5]["exit_code"]) == ("error", 1)
    assert [is_error(line) for line in done.stderr.splitlines()] == [False] * 5 + [True]


def test_the_end_of_a_job_is_an_event() -> None:
    done = speak("input.path=x", "--log-format=json")
    last = objects(done.stderr)[-1]
    assert (done.returncode, last["event"], last["exit_code"]) == (0, "finished", 0)
    assert last["seconds"] >= 0


@pytest.mark.parametrize(
    "arguments",
    [["--no-such-option"], ["no.such.key=1"], ["--config", "missing.yaml"], ["input.path"]],
)
def test_wrong_input_is_an_object_too(arguments: list[str]) -> None:
    done = speak("--log-format", "json", *arguments)
    assert done.returncode == 2
    last = objects(done.stderr)[-1]
    assert (last["event"], last["exit_code"]) == ("error", 2)


def test_the_format_may_come_from_the_environment() -> None:
    import os

    done = speak("input.path=x", environment={**os.environ, "COMPRESSOR_LOG_FORMAT": "json"})
    assert objects(done.stderr)[0]["event"] == "started"
    wrong = speak("input.path=x", "--log-format", "xml")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "xml" in wrong.stderr


def test_an_error_is_known_in_either_format() -> None:
    assert is_error("error: no such file")
    assert is_error('{"time": "2026-01-01T00:00:00.000Z", "level": "error", "event": "error"}')
    assert not is_error('{"time": "2026-01-01T00:00:00.000Z", "level": "info", "event": "x"}')
    assert not is_error('{"time": no json')
    assert not is_error("rows        7")


def test_json_ends_with_the_job() -> None:
    """In a process that goes on, logging is as it was."""
    import logging
    import warnings

    from compressor.log import adopt, is_json, logged_as

    before, shows = list(logging.getLogger().handlers), warnings.showwarning
    with logged_as("json", "one"):
        adopt("ray")
        adopt("ray")
        assert is_json()
    assert not is_json()
    assert logging.getLogger().handlers == before
    assert warnings.showwarning is shows
    with logged_as("text", "two"):
        assert not is_json()
