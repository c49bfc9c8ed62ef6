"""What a job says on stderr while it runs: plain lines, or one JSON object a line.

Input: events of the job and, with `--log-format json`, what other libraries log; output: stderr.
Results go to stdout and have no part in this. A line of JSON has `time` (ISO 8601, UTC), `level`,
`event`, `job`, where there is something to read `message`, and the fields of the event.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]
Level = Literal["info", "warning", "error"]
FORMATS: tuple[Format, ...] = ("text", "json")

_as_json_of: str | None = None  # the name of the job, where lines are JSON
_adopted: dict[str, list[logging.Handler]] = {}  # loggers, and whose handlers come back


@contextmanager
def logged_as(form: Format, job: str) -> Iterator[None]:
    """While the block runs, write in this format. JSON takes over other libraries' logging, too."""
    global _as_json_of  # noqa: PLW0603  like logging itself: one stderr a process
    before = _as_json_of
    _as_json_of = job if form == "json" else None
    logging.captureWarnings(form == "json")
    adopt("")
    try:
        yield
    finally:
        _as_json_of = before
        logging.captureWarnings(False)
        for name, handlers in _adopted.items():
            logging.getLogger(name).handlers = handlers
        _adopted.clear()


def adopt(name: str) -> None:
    """Have what goes to a logger ("" for all) written as JSON instead of by its own handlers.

    For loggers that don't pass on what they get; does nothing where lines are text.
    """
    logger = logging.getLogger(name)
    if is_json() and name not in _adopted:
        _adopted[name] = logger.handlers
        logger.handlers = [_Foreign(logging.WARNING)]


def is_json() -> bool:
    """Whether lines are JSON: then nothing is drawn on a terminal either."""
    return _as_json_of is not None


def note(event: str, message: str = "", *, level: Level = "info", **fields: Any) -> None:
    """Write an event. An event without a message is only for machines: no line of text."""
    text = " ".join(message.split())
    if _as_json_of is not None:
        _write(_line(level, event, message=text, **fields))
    elif text:
        _write(f"error: {text}" if level == "error" else text)


def is_error(line: str) -> bool:
    """Whether a line that was written here tells of an error, in either format."""
    if line.startswith("error: "):
        return True
    try:
        found = json.loads(line) if line.startswith('{"time": ') else None
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("level") == "error"


def _line(level: str, event: str, *, message: str, **fields: Any) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"message": message} if message else {}
    line = {"time": now, "level": level, "event": event, "job": _as_json_of, **said, **fields}
    return json.dumps(line, ensure_ascii=False, default=str)


def _write(line: str) -> None:
    """In one call, so that the lines of two threads don't get into each other."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class _Foreign(logging.Handler):
    """Writes what other libraries log as events called `log`."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = " ".join(record.getMessage().split())
            level = record.levelname.lower()
            _write(_line(level, "log", message=text, logger=record.name))
        except Exception:  # as every handler does
            self.handleError(record)
