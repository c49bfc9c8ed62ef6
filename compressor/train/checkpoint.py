"""Checkpoints of a run on any storage: whole or not there, the last two of them kept."""

import pickle
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fsspec.implementations.local import LocalFileSystem

from compressor.corpus.storage import Storage
from compressor.errors import JobError

_KEPT = 2  # the one before serves where the last can't be read
_NAME = re.compile(r"step-\d{7,}\.pt")


def save(folder: Storage, step: int, state: dict[str, Any]) -> None:
    """Write `state` as the checkpoint after `step` steps, then remove all but the last two."""
    with folder.writer(f"step-{step:07d}.pt") as file:
        torch.save(state, file)
    filesystem, path = folder.open()
    for name in _names(folder)[:-_KEPT]:
        filesystem.rm_file(f"{path}/{name}")


def load(folder: Storage, say: Callable[[str], None] = lambda _: None) -> dict[str, Any] | None:
    """The latest checkpoint that can be read, on the CPU, or None where there is none.

    `say` hears of one that can't. Raises `JobError` when none of those that are there can.
    """
    names = _names(folder)
    for name in reversed(names):
        try:
            return _read(folder, name)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            say(f"{folder.url}/{name}: damaged ({type(error).__name__}); taking the one before")
    if names:
        raise JobError(f"{folder.url}: no checkpoint can be read; remove the folder to start anew")
    return None


def _names(folder: Storage) -> list[str]:
    return [name for name in folder.names() if _NAME.fullmatch(name)]


def _read(folder: Storage, name: str) -> dict[str, Any]:
    filesystem, path = folder.open()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(path, name)
        if not isinstance(filesystem, LocalFileSystem):
            file = Path(scratch, name)
            filesystem.get_file(f"{path}/{name}", str(file))
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state
