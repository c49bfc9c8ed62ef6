"""Checkpoints that are whole or not there: written beside their place, then renamed into it."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

_PREFIX = "step-"


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `state` as the checkpoint after `step` steps, then remove older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{_PREFIX}{step:07d}"
    draft = folder / f"draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    with (draft / "state.pt").open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    if place.exists():  # the same step once more, after an interruption: equal, so keep it
        shutil.rmtree(draft)
    else:
        draft.rename(place)
    for other in folder.iterdir():
        if other != place and other.name.startswith((_PREFIX, "draft-")):
            shutil.rmtree(other, ignore_errors=True)
    return place


def load(folder: Path) -> dict[str, Any] | None:
    """The latest checkpoint's state, or None where there is none."""
    places = sorted(folder.glob(f"{_PREFIX}*")) if folder.is_dir() else []
    if not places:
        return None
    state: dict[str, Any] = torch.load(
        places[-1] / "state.pt", map_location="cpu", weights_only=True
    )
    return state
