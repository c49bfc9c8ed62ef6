"""Sums of arrays that travel through Ray's object store, where arrays are shared: read-only."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def set_writable(target: object, state: Mapping[str, Any]) -> None:
    """A `__setstate__` after which the target can be added to.

    Behind `ray://` a ledger is filled in a task on the cluster, and comes back to be written down.
    """
    vars(target).update({name: _writable(value) for name, value in state.items()})


def _writable(value: Any) -> Any:
    """A copy of an array that can't be written to; of a dictionary, the same for its values."""
    if isinstance(value, dict):
        return {key: _writable(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        return value.copy()
    return value
