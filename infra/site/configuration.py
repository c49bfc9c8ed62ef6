"""The keys and options of every job as Markdown, from the schema that checks them."""

import importlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from compressor.cli import Job, job_names
from compressor.schema import describe


def configuration() -> str:
    """A section for each job, in the order of their names."""
    return "\n".join(line for name in job_names() for line in _job(name))


def _job(name: str) -> Iterator[str]:
    command: click.Command = importlib.import_module(f"jobs.{name}").main
    summary = (command.help or "").partition("\n")[0]
    yield from (f"## {name}", "", summary, "")
    if not isinstance(command, Job):  # such as submit: it takes the keys of the job that it submits
        yield from (f"`compressor {name} --help` lists its commands and their options.", "")
        return
    options = [one for one in command.params if isinstance(one, click.Option) and one.help]
    yield from ("| Option | Meaning |", "|---|---|")
    for option in options:
        names = ", ".join(f"`{text}`" for text in option.opts)
        yield f"| {names} | {_text(option.help)} |"
    for section, keys in groupby(describe(command.schema), lambda key: key[0].rpartition(".")[0]):
        yield from ("", f"### {name}: {section or 'keys'}", "")
        yield from ("| Key | Default | Meaning |", "|---|---|---|")
        for key, default, text in keys:
            yield f"| `{key}` | `{_cell(_yaml(default))}` | {_text(text)} |"
    yield ""


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value) or '""'


def _text(text: Any) -> str:
    return _cell(text).replace("<", "&lt;")


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
