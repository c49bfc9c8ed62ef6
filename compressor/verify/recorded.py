"""The configuration that an output was written with, found beside it, and what was given anew."""

import json
from typing import Any

from pydantic import ValidationError

from compressor.config import CompressConfig
from compressor.corpus.delta import Version
from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.pipeline.resume import CONFIGURATION
from compressor.verify.config import VerifyConfig


def completed(config: VerifyConfig, target: Storage, version: Version | None) -> CompressConfig:
    """The recorded configuration with the keys that were given. Raises `InputError`."""
    recorded = version.note["configuration"] if version else _recorded(target)
    merged = _merge(recorded, config.model_dump(exclude_unset=True))
    try:
        return CompressConfig.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{target.key}: {target.url}: its record: {key} {first['msg']}") from None


def _recorded(target: Storage) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(target.read(CONFIGURATION))
    except (OSError, ValueError):
        raise InputError(
            f"{target.key}: {target.url}: no {CONFIGURATION} there; is it an output of compress?"
        ) from None
    return found


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
