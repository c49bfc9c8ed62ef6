"""Paths of this machine in a configuration that is sent to another one."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from compressor.config import NAME
from compressor.errors import InputError
from compressor.schema import Section

# Keys (without their section) whose values are places, and those that may also be a name.
_PLACES = {"path", "work", "shots_path", "also", "unlabelled", "texts", "output", "exclude"}
_NAMES = {"name", "base", "model", "tokenizer", "instruction"}


def local_places(config: Section) -> list[str]:
    """The keys with an absolute local path, which all nodes must mount.

    Raises `InputError` for a relative one: it means nothing on the cluster.
    """
    found = []
    for key, value in _places(config.model_dump(exclude_unset=True)):
        if not os.path.isabs(value):
            raise InputError(
                f"{key}: {value}: a path of this machine, which the cluster doesn't see; use "
                "object storage (s3://...), or an absolute path of a filesystem that all nodes have"
            )
        found.append(key)
    return found


def _places(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _places(value, f"{key}.")
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, str) and _is_local(name, part):
                yield key, part


def _is_local(name: str, value: str) -> bool:
    if not value or "://" in value:
        return False
    if name in _PLACES:
        return True
    if name not in _NAMES or value == NAME:
        return False
    return value.startswith(("/", ".", "~")) or Path(value).is_dir()
