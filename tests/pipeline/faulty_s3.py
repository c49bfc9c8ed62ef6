"""An S3 server that fails at random: 500, 503, slow answers, reset connections."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.s3_proxy import proxied


class Faults:
    """How often requests fail, how many have, and how often each object was written."""

    def __init__(self, seed: int) -> None:
        self.rate = 0.0
        self.injected = 0
        self.written: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self, method: str, path: str) -> str | None:
        with self._lock:
            if self._random.random() >= self.rate:
                return None
            self.injected += 1
            return self._random.choice(["500", "503", "slow", "reset"])

    def count(self, method: str, path: str, status: int) -> None:
        if method == "PUT" and status == 200:
            with self._lock:
                self.written[urlsplit(path).path] += 1


@contextmanager
def faulty(upstream: str, faults: Faults) -> Iterator[str]:
    """The URL of a proxy before `upstream`."""
    with proxied(upstream, faults.draw, faults.count) as url:
        yield url
