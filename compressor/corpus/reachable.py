"""Whether anybody answers where an S3 storage lies, in seconds.

s3fs tries again and again to reach a server behind a firewall that drops packets, or one that
hangs: many minutes, in silence. One plain request at the start, before any of its own, tells that
from a storage that works. Refused connections and errors are left to s3fs, which says what they
are.
"""

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from typing import Any

from compressor.errors import InputError

MOST_SECONDS = 20.0
_answered: set[str] = set()


def check_answers(filesystem: Any, *, key: str, url: str) -> None:
    """Raise `InputError` where the endpoint of an S3 filesystem says nothing at all.

    Each endpoint is asked once in a process; other filesystems are not asked.
    """
    endpoint = _endpoint(filesystem)
    if endpoint is None or endpoint in _answered:
        return
    asking = threading.Thread(target=_ask, args=[endpoint], daemon=True)
    asking.start()
    asking.join(MOST_SECONDS)  # over all addresses that a name has, unlike a socket's timeout
    if asking.is_alive():
        raise InputError(
            f"{key}: {url}: {endpoint} doesn't answer within {MOST_SECONDS:.0f} s; can it be "
            f"reached from {socket.gethostname()}? (check its network, or "
            "storage_options.endpoint_url)"
        )
    _answered.add(endpoint)


def _endpoint(filesystem: Any) -> str | None:
    if "s3" not in filesystem.protocol or not hasattr(filesystem, "connect"):
        return None
    filesystem.connect()
    return str(filesystem.s3.meta.endpoint_url)


def _ask(endpoint: str) -> None:
    request = urllib.request.Request(endpoint, method="HEAD")
    with (
        contextlib.suppress(OSError, ValueError),  # any answer will do
        urllib.request.urlopen(request, timeout=2 * MOST_SECONDS),
    ):
        pass
