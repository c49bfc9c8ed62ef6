"""What is under way on a device: copies that nobody waits for until their values are wanted.

A GPU runs what it is given in order, so the next batch is prepared and queued while it works on
the last one. Pinned memory lets the copies run beside it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Margins:
    """Of one batch: logit(keep) - logit(drop) of each token, float32 [t].

    seconds: what the device took for them.
    """

    values: Floats
    seconds: float


Pending = Callable[[], Margins]
"""Waits until the device is done."""


def at_once(work: Callable[[], Floats]) -> Pending:
    """For a device that computes in the caller's thread."""
    started = time.perf_counter()
    done = Margins(work(), time.perf_counter() - started)
    return lambda: done


def queued(device: torch.device, work: Callable[[], torch.Tensor]) -> Pending:
    """Queue `work`, which queues kernels on a GPU and gives float32 there, and the way back.

    Raises what `work` raises, `torch.OutOfMemoryError` too.
    """
    # Waiting for an event that blocks leaves the core to the threads that prepare and finish.
    began, ended = (_event(blocking) for blocking in (False, True))
    stream = torch.cuda.current_stream(device)
    began.record(stream)
    there = work()
    here = torch.empty(there.shape, dtype=torch.float32, pin_memory=True)
    here.copy_(there, non_blocking=True)
    ended.record(stream)

    def wait() -> Margins:
        ended.synchronize()
        return Margins(here.numpy().copy(), began.elapsed_time(ended) / 1000)

    return wait


def sent(values: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """A copy on the device, on its way when this returns."""
    tensor = torch.from_numpy(values)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _event(blocking: bool) -> Any:
    return torch.cuda.Event(enable_timing=True, blocking=blocking)  # type: ignore[no-untyped-call]
