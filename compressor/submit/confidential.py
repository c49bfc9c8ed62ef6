"""No secret leaves this machine: what would be sent is searched for them, and refused.

A submitted job takes its credentials from the environment, profile or identity of the cluster's
nodes. What it is sent with can be read by everybody who sees the cluster's dashboard.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compressor.errors import InputError

# Names of options that hold a secret, in fsspec's filesystems and elsewhere. `max_tokens` and
# `endpoint_url` are none.
_SECRET_KEY = re.compile(
    r"(^|[_\-.])(key|secret|token|pass|passwd|password|passphrase|pwd|credentials?|authorization|"
    r"auth|cookies?|access_?key(_?id)?|account_?key|api_?key|connection_?string|sas|sas_?token)$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/@\s]*:[^/@\s]+@")
_VARIABLE = re.compile(r"SECRET|TOKEN|PASSW|CREDENTIAL|ACCESS_KEY|API_KEY|ACCOUNT_KEY")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LEAST_LENGTH = 8  # shorter values of variables are words that stand elsewhere by chance

WHAT_TO_DO = (
    "it would lie in the job's data on the cluster; leave it out (the job takes credentials from "
    "the environment, profile or identity of the cluster's nodes; --secret NAME checks that a "
    "variable is set there), or keep the configuration on object storage (--config s3://...)"
)


def check_names(names: Sequence[str]) -> None:
    """Refuse what is no name of a variable, such as NAME=VALUE."""
    for name in names:
        if not _NAME.fullmatch(name):
            shown = name.partition("=")[0]
            raise InputError(f"--secret {shown}: wants the name of an environment variable alone")


def refuse_secrets(settings: Mapping[str, Any], words: Sequence[str]) -> None:
    """Raise `InputError` where settings (nested sections) or words of the command line hold what
    looks like a secret. The message names the key, never the value.
    """
    known = _values_of_variables()
    for key, value, free in _leaves(settings):
        secret = free and _SECRET_KEY.search(key.rpartition(".")[2])
        if secret or _USERINFO.match(value) or value in known:
            raise InputError(f"{key}: holds a secret; {WHAT_TO_DO}")
    for before, word in zip(["", *words], words, strict=False):
        if _USERINFO.match(word) or word in known:
            raise InputError(f"{before or 'an argument'}: holds a secret; {WHAT_TO_DO}")


def _values_of_variables() -> set[str]:
    return {
        value
        for name, value in os.environ.items()
        if _VARIABLE.search(name.upper())
        and len(value) >= LEAST_LENGTH
        and not value.startswith("/")  # where a secret lies is none
    }


def _leaves(value: Any, key: str = "", free: bool = False) -> Iterator[tuple[str, str, bool]]:
    """(dotted key, text, whether it lies in a mapping of the user's own) of all texts that aren't
    empty."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            below = f"{key}.{name}" if key else str(name)
            yield from _leaves(inner, below, free or str(name).endswith("options"))
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from _leaves(part, key, free)
    elif isinstance(value, str) and value:
        yield key, value, free
