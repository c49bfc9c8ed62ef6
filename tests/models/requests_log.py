"""A proxy before an S3 server that writes down every request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.s3_proxy import proxied


class Requests:
    """What was asked, and `before`, which runs ahead of each request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda method, path: None
        self._lock = threading.Lock()

    def note(self, method: str, path: str) -> None:
        with self._lock:
            self.seen.append((method, path))
        self.before(method, path)

    def objects(self, method: str = "GET") -> list[str]:
        """The names of the objects that were read; listings aren't among them."""
        paths = [urlsplit(path).path for of, path in self.seen if of == method]
        return sorted(
            path.rpartition("/")[2] for path in paths if path.count("/") > 1 and "." in path
        )


@contextmanager
def logged(upstream: str, log: Requests) -> Iterator[str]:
    """The URL of the proxy."""
    with proxied(upstream, log.note) as url:
        yield url
