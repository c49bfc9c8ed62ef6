"""What tests of refreshes share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compressor.config import CompressConfig
from compressor.pipeline.refresh import Refreshed, refresh
from compressor.schema import load


@pytest.fixture(scope="session")
def renew(tiny_model: Path, ray_session: None) -> Callable[..., Refreshed]:
    """Run `refresh` in this process with `section.key=value` settings."""

    def call(source: Any, target: Any, *settings: str, dry_run: bool = False) -> Refreshed:
        overrides = [
            f"input.path={source}",
            f"output.path={target}",
            f"model.name={tiny_model}",
            "model.dtype=float32",
            *settings,
        ]
        return refresh(load(CompressConfig, None, overrides), dry_run=dry_run)

    return call
