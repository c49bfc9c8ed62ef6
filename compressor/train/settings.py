"""What a run was begun with, kept beside its checkpoints: another run must not go on from them."""

import json
from collections.abc import Mapping
from typing import Any

from compressor.corpus.storage import Storage
from compressor.errors import InputError

_NAME = "settings.json"


def write_settings(settings: Mapping[str, Any], folder: Storage) -> None:
    """`settings`: plain values by dotted key."""
    folder.put(_NAME, json.dumps(settings, indent=1).encode())


def check_settings(settings: Mapping[str, Any], folder: Storage) -> None:
    """Raise `InputError` when what is in `folder` was made with other settings."""
    if _NAME not in folder.names():
        return
    before = json.loads(folder.read(_NAME))
    for key, value in settings.items():
        if before.get(key) != value:
            raise InputError(
                f"output.work: the checkpoint in {folder.url} was made with "
                f"{key}={before.get(key)}, not {value}; name another folder, or remove this one"
            )
