"""Ray for the length of a job: started here or joined, quiet, and left as it was found."""

import copy
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from compressor.errors import InputError
from compressor.log import adopt
from compressor.pipeline.resources import Node
from compressor.pipeline.topology import topology

Result = TypeVar("Result")
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its C++ side writes its own errors to our stderr
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning for each worker without a GPU
}
CONNECT_SECONDS = 10.0
JOINS = 3
NO_PROGRESS_SECONDS = 1800.0  # nothing at all has moved: say so instead of waiting for ever


@contextmanager
def session(address: str | None) -> Iterator[list[Node]]:
    """Join the Ray that runs in this process or at `address`, or start one; yield its nodes.

    Only what was started or joined here is shut down. Raises `InputError` for an address where
    no Ray answers.
    """
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    import ray

    if ray.is_initialized():
        yield alive_nodes()
        return
    # Ray prints the tracebacks of workers to stdout, where the job's results go; what matters of
    # them reaches the user as the message of an exception.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), _own_sigterm() as take_back:
        try:
            _start(address)
            take_back()
            yield alive_nodes()
        finally:
            ray.shutdown()


def _start(address: str | None) -> None:
    import ray

    try:
        _check_reachable(address)
        with _silent_stderr():
            # The server behind `ray://` forks a process for each client, beside threads of its own,
            # which now and then hangs (2 of 10 times): it says so after 30 s, without a reason.
            Retrying(
                stop=stop_after_attempt(JOINS),
                retry=retry_if_exception_type(ConnectionAbortedError),
                reraise=True,
            )(
                ray.init,
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        adopt("ray")
    except (OSError, ValueError) as error:
        message = str(error).splitlines()[0]
        raise InputError(f"cluster.address: {address}: can't be joined: {message}") from error


@contextmanager
def _own_sigterm() -> Iterator[Callable[[], object]]:
    """What SIGTERM does stays as it was before Ray, which would end the process in its own way.

    Yields what takes it back from Ray. Where nothing was set, it ends the job as Ctrl-C does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = signal.getsignal(signal.SIGTERM)
    own = before if callable(before) else signal.default_int_handler
    try:
        yield lambda: signal.signal(signal.SIGTERM, own)
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: not Python's own


def _check_reachable(address: str | None) -> None:
    """Somebody must listen at HOST:PORT; Ray itself would try for many minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def on_cluster(call: Callable[..., Result], *arguments: Any) -> Result:
    """Call here; or, behind `ray://`, in a task on the cluster: Ray Data has no remote client."""
    import ray

    client: Any = ray.util.client.ray
    if not client.is_connected():
        return call(*arguments)
    result: Result = ray.get(ray.remote(num_cpus=0, max_retries=0)(call).remote(*arguments))
    return result


@contextmanager
def quiet_data(lost_starting: int = 0) -> Iterator[None]:
    """Settings of Ray Data for one job; the process's own come back afterwards.

    `lost_starting`: how many replicas may be lost one after the other while they start.
    """
    from ray.data import DataContext

    before = DataContext.get_current()
    context = copy.deepcopy(before)
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.enable_auto_log_stats = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_SECONDS
    context.target_max_block_size = 1  # every row, which is a shard, is a block of its own
    context.retried_io_errors = []  # the filesystem retries, nobody else
    context.max_errored_blocks = 0
    context.max_consecutive_actor_init_deaths = lost_starting
    DataContext._set_current(context)
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # errors reach the user as one line of ours
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # no new way to cap restarts yet
            yield
    finally:
        logger.setLevel(level)
        DataContext._set_current(before)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Below Python too: Ray's C++ side announces its own log level there."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def alive_nodes() -> list[Node]:
    """The nodes of the Ray that is joined, as they are now."""
    import ray

    nodes = [
        Node(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]
    client: Any = ray.util.client.ray
    here = None if client.is_connected() else topology()  # a single node is this machine
    if len(nodes) == 1 and here is not None and nodes[0].cpus == here.cpus:
        return [replace(nodes[0], topology=here)]
    return nodes  # others', and fewer CPUs than there are: a container's share of a larger machine
