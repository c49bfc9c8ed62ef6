"""An estimate as a JSON file, on any filesystem of fsspec."""

import json
from typing import Any

from compressor.corpus.storage import Storage
from compressor.estimate.config import EstimateConfig


def write(config: EstimateConfig, record: dict[str, Any]) -> str:
    """Write `record` to `estimate.path`; returns where it is. Raises `InputError`."""
    folder, _, name = config.estimate.path.rpartition("/")
    storage = Storage.at(folder or ".", config.estimate.storage_options, key="estimate.path")
    with storage.explained():
        storage.put(name, json.dumps(record, indent=2).encode() + b"\n")
    return f"{storage.url.rstrip('/')}/{name}"
