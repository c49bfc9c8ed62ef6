"""What every configuration is built from: strict sections, YAML files, `key=value` overrides.

A job declares a `Section` tree once; loading, checking, suggestions for misspelt keys and the help
text all follow from it.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from compressor.errors import InputError


class Section(BaseModel):
    """A part of a configuration: frozen, and keys that it doesn't declare are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class UnreadableError(InputError):
    """The file of a configuration can't be read; what it says is not known."""


Config = TypeVar("Config", bound=Section)


def load(schema: type[Config], path: str | None, overrides: Sequence[str] = ()) -> Config:
    """Read the YAML file at `path` (if any), apply `section.key=value` overrides, validate.

    `path` may be local or on any fsspec filesystem. Values of overrides are YAML (`rate=0.5`,
    `force_tokens=["?"]`). Raises `InputError` that names the key.
    """
    data = _read_yaml(path) if path else {}
    for override in overrides:
        _apply(schema, data, override)
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise InputError(_explain(schema, error)) from None


def parse_overrides(schema: type[Section], overrides: Sequence[str]) -> dict[str, Any]:
    """Overrides alone as nested sections. Raises `InputError` for what no file makes right."""
    data: dict[str, Any] = {}
    for override in overrides:
        _apply(schema, data, override)
    return data


def require(**sections: Section) -> None:
    """Refuse sections whose `path` is empty: `require(input=config.input)` names `input.path`."""
    for name, section in sections.items():
        if not getattr(section, "path", None):
            raise ValueError(f"{name}.path: is required")


def describe(schema: type[Section], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted key, default, help) for every key of a schema, in the order of declaration."""
    for name, field in schema.model_fields.items():
        key = f"{prefix}{name}"
        if (section := _section(field.annotation)) is not None:
            yield from describe(section, f"{key}.")
        else:
            default = field.get_default(call_default_factory=True, validated_data={})
            yield key, "(required)" if field.is_required() else default, field.description or ""


def _section(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return None


def _read_yaml(path: str) -> dict[str, Any]:
    try:
        text = _read_text(path)
    except FileNotFoundError:
        raise UnreadableError(f"--config {path}: no such file") from None
    except Exception as error:  # what a filesystem raises differs by its client
        raise UnreadableError(f"--config {path}: can't be read: {error}") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise InputError(f"--config {path}{where}: {problem}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"--config {path}: wants sections with keys, got {type(data).__name__}")
    return data


def _read_text(path: str) -> str:
    if "://" not in path:
        return Path(path).read_text(encoding="utf-8")
    import fsspec

    with fsspec.open(path, "r", encoding="utf-8") as file:
        return str(file.read())


def _apply(schema: type[Section], data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise InputError(f"{override!r}: an override is written section.key=value")
    *sections, last = key.strip().split(".")
    node, part = data, schema
    for depth, name in enumerate(sections):
        field = part.model_fields.get(name)
        inner = _section(field.annotation) if field else None
        if field is None:
            raise InputError(_unknown(schema, ".".join(sections[: depth + 1])))
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise InputError(f"{'.'.join(sections[: depth + 1])}: wants keys below it")
        if inner is None:  # a free mapping such as storage_options: what is below is the user's
            _set(node, [*sections[depth + 1 :], last], value, key)
            return
        part = inner
    if last not in part.model_fields:
        raise InputError(_unknown(schema, key))
    _set(node, [last], value, key)


def _set(node: dict[str, Any], names: list[str], value: str, key: str) -> None:
    for name in names[:-1]:
        node = node.setdefault(name, {})
    try:
        node[names[-1]] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"{key}: {value!r} is not a YAML value (quote it?)") from None


def _unknown(schema: type[Section], key: str) -> str:
    known = [name for name, _, _ in describe(schema)]
    sections = sorted({name.rpartition(".")[0] for name in known} - {""})
    near = difflib.get_close_matches(key, known + sections, n=1, cutoff=0.6)
    if not near:  # the right key in the wrong section
        leaf = key.rpartition(".")[2]
        near = [name for name in known if name.rpartition(".")[2] == leaf][:1]
    hint = f"; did you mean {near[0]}?" if near else "; --help lists the keys"
    return f"{key}: unknown configuration key{hint}"


def _explain(schema: type[Section], error: ValidationError) -> str:
    """The first problem as one line that names its key."""
    errors = error.errors()
    first, key = errors[0], _key(errors[0])
    inner = [one for one in errors if _key(one).startswith(f"{key}.")]
    if inner:  # a list was meant, and an element is wrong
        first, key = inner[0], _key(inner[0])
    if first["type"] == "extra_forbidden":
        return _unknown(schema, key)
    messages = dict.fromkeys(_message(one) for one in errors if _key(one) == key)
    message = _alternatives(list(messages))
    if first["type"] == "missing":
        return f"{key}: is required"
    if not key or (first["type"] == "value_error" and isinstance(first["input"], dict)):
        return message  # of several keys together; it names them
    return f"{key}: {message} (got {first['input']!r})"


def _key(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"] if not _is_branch(part))


def _message(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    return message.partition(", unable to parse")[0]


def _alternatives(messages: list[str]) -> str:
    """What each branch of a union wants, as one sentence: "should be 'auto' or at least 1"."""
    start = "should be "
    if len(messages) < 2:
        return "".join(messages)
    wants = [message.removeprefix(start) for message in messages if message.startswith(start)]
    own = [message for message in messages if not message.startswith(start)]
    if own:  # a check of ours says it better than the types that weren't meant
        return own[0]
    return start + ", ".join(wants[:-1]) + " or " + wants[-1]


def _is_branch(part: Any) -> bool:
    """Pydantic adds the names of union branches to a location; they mean nothing to a user."""
    return isinstance(part, str) and (
        "[" in part or part.startswith("constrained-") or part in {"str", "int", "float", "bool"}
    )
