"""What tests of several nodes share."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], bool], seconds: float, pause: float = 0.2) -> None:
    """Wait for what must happen; raises `TimeoutError` where it doesn't."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{true} is still false after {seconds} s")
        time.sleep(pause)
