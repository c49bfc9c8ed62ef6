"""A job with its arguments, checked here as the job itself will check them: what is to be sent."""

import hashlib
import importlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import yaml
from click.core import ParameterSource

from compressor.cli import Job, job_names
from compressor.schema import Section, UnreadableError, describe, load, parse_overrides
from compressor.submit.confidential import refuse_secrets
from compressor.submit.places import local_places

SUBMIT = "submit"
CONFIGURATION = "configuration.yaml"
JOIN = "cluster.address"
OURS = {"config", "overrides"}


@dataclass(frozen=True, slots=True)
class Request:
    """What the cluster is to run: `entrypoint`, beside a file with `configuration` (YAML).

    `configuration` is None where the job reads it from object storage itself. `mounted` are keys
    with a path that all nodes must have, `unchecked` says why nobody has read the configuration.
    """

    job: str
    entrypoint: str
    configuration: str | None
    uses_shipped_model: bool
    mounted: Sequence[str] = ()
    unchecked: str = ""

    @property
    def digest(self) -> str:
        """Stands for the job and its configuration."""
        parts = json.dumps([self.entrypoint, self.configuration])
        return hashlib.sha256(parts.encode()).hexdigest()


def submittable() -> list[str]:
    """The jobs that can be submitted: all but this one."""
    return [name for name in job_names() if name != SUBMIT]


def make_request(name: str, arguments: Sequence[str]) -> Request:
    """From a job's name and its command line. Raises `InputError` as the job itself would.

    A local configuration and the overrides travel together, validated, as one file, and the job
    joins the cluster that it was sent to.
    """
    command: Job = importlib.import_module(f"jobs.{name}").main
    with command.make_context(name, list(arguments)) as context:
        given = command.overrides(context.params["overrides"])
        options = _options(command, context)
        path = context.params["config"]
    alone = parse_overrides(command.schema, given)
    if JOIN in (key for key, _, _ in describe(command.schema)):
        given = [*given, f"{JOIN}=auto"]
    if path is not None and "://" in path and not path.startswith(("file://", "local://")):
        refuse_secrets(alone, ["--config", path, *options])
        return _remote(name, command.schema, path, given, options)
    config = load(command.schema, path, given)
    settings = config.model_dump(exclude_unset=True)
    refuse_secrets(settings, options)
    mounted = local_places(config)
    return Request(
        name,
        _entrypoint(name, ["--config", CONFIGURATION, *options]),
        yaml.safe_dump(settings, sort_keys=False),
        _mentions_shipped_model(config),
        mounted,
    )


def _remote(
    name: str, schema: type[Section], url: str, given: list[str], options: list[str]
) -> Request:
    """The job reads it where it lies; here it is only checked, if it can be read from here."""
    mounted, unchecked, shipped = [], "", True
    try:
        config = load(schema, url, given)
    except UnreadableError as error:
        unchecked = str(error)
    else:
        mounted, shipped = local_places(config), _mentions_shipped_model(config)
    entrypoint = _entrypoint(name, ["--config", url, *options, *given])
    return Request(name, entrypoint, None, shipped, mounted, unchecked)


def _entrypoint(name: str, arguments: Sequence[str]) -> str:
    return shlex.join(["python", "-m", f"jobs.{name}", *arguments])


def _options(command: Job, context: click.Context) -> list[str]:
    """The job's own options as they were given (`--dry-run`, `-n 5`)."""
    words: list[str] = []
    for parameter in command.params:
        name = str(parameter.name)
        if name in OURS or not isinstance(parameter, click.Option):
            continue
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        words += [parameter.opts[0]] if parameter.is_flag else [parameter.opts[0], str(value)]
    return words


def _mentions_shipped_model(config: Section) -> bool:
    """Whether any name of a model, or of a tokenizer, is that of the one in the package."""

    def texts(value: Any) -> str:
        if isinstance(value, dict):
            return " ".join(texts(inner) for inner in value.values())
        return str(value)

    return "default" in texts(config.model_dump())
