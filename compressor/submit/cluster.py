"""The Jobs API of a cluster, with errors that a person can act on and an end to waiting."""

import functools
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_fixed

from compressor.errors import InputError, JobError

VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
CONNECT_SECONDS, ANSWER_SECONDS = 10, 30
START_SECONDS, START_POLL_SECONDS = 30.0, 1.0
NOBODY_THERE = "No available agent"  # what a cluster answers that has just started
TALKATIVE = (  # they tell of each upload and connection
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}


class Cluster:
    """A cluster that answers; `client` is Ray's own."""

    def __init__(self, address: str, client: Any) -> None:
        self.address = address
        self.client = client

    @classmethod
    def at(cls, address: str | None) -> "Cluster":
        """Connect. Raises `InputError` for no address, nobody there, another Ray or Python, no
        token or a wrong one."""
        if not address or not address.startswith(("http://", "https://")):
            given = f", got {address}" if address else ""
            raise InputError(
                "--address: wants the URL of the cluster's dashboard, such as http://HOST:8265"
                f"{given} (or set {VARIABLES[0]})"
            )
        cluster = cls(address.rstrip("/"), None)
        with cluster.explained():
            cluster.client = _client(cluster.address)
            _check_versions(cluster)
        return cluster

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what Ray and the network raise into an `InputError` that names the address."""
        requests = _requests()
        from ray.exceptions import AuthenticationError

        try:
            yield
        except (InputError, JobError):
            raise
        except AuthenticationError as error:
            raise InputError(f"--address: {self.shown}: {_of_token(str(error))}") from error
        except (requests.RequestException, OSError) as error:
            raise InputError(
                f"--address: {self.shown}: no cluster can be reached there "
                f"({type(error).__name__}); is it up, and its dashboard's port open?"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise InputError(f"--address: {self.shown}: {_last_line(error)}") from error

    @property
    def shown(self) -> str:
        """The address without a password that it may hold."""
        return re.sub(r"//[^/@]*@", "//", self.address)

    def send(self, **job: Any) -> None:
        """Submit; a cluster that has just started has nobody to take jobs for some seconds."""
        again = Retrying(
            retry=retry_if_exception_message(match=f"(?s).*{NOBODY_THERE}"),
            stop=stop_after_delay(START_SECONDS),
            wait=wait_fixed(START_POLL_SECONDS),
            reraise=True,
        )
        again(self.client.submit_job, **job)

    def find(self, identity: str) -> Any:
        """The details of a submitted job, None where there is none of that id."""
        with self.explained():
            try:
                return self.client.get_job_info(identity)
            except RuntimeError as error:
                if "404" in str(error):
                    return None
                raise

    def get(self, identity: str) -> Any:
        """The same. Raises `InputError` where there is none."""
        found = self.find(identity)
        if found is None:
            raise InputError(f"{identity}: {self.shown} has no job of that id")
        return found

    def fetch(self, path: str) -> dict[str, Any]:
        """What the dashboard answers, {} for a path that it doesn't have."""
        answer = self.client._do_request("GET", path)
        return dict(answer.json()) if answer.status_code == 200 else {}


def status_of(job: Any) -> str:
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    return str(getattr(job.status, "value", job.status))


def _requests() -> Any:
    try:
        import aiohttp  # noqa: F401  Ray's client fails late without it
        import requests
    except ImportError:
        raise InputError("submit needs more of Ray: pip install 'compressor[submit]'") from None
    return requests


def _client(address: str) -> Any:
    from ray.job_submission import JobSubmissionClient

    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

    class Client(JobSubmissionClient):
        """Ray's own waits for ever for a host that doesn't answer."""

        def _do_request(self, *arguments: Any, **options: Any) -> Any:
            options.setdefault("timeout", (CONNECT_SECONDS, ANSWER_SECONDS))
            return super()._do_request(*arguments, **options)

    with _without_variables():
        return Client(address)


@contextmanager
def _without_variables() -> Iterator[None]:
    """Ray takes the address from these variables, whatever it was given."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _check_versions(cluster: Cluster) -> None:
    import platform

    import ray

    there = cluster.fetch("/api/version").get("ray_version")
    if there != ray.__version__:
        raise InputError(
            f"--address: {cluster.shown}: runs Ray {there}, here is {ray.__version__}; install "
            f"the same on both sides (pip install 'ray[default]=={there}')"
        )
    described = cluster.fetch("/api/v0/cluster_metadata").get("data") or {}
    python = described.get("pythonVersion")
    if python and minor(python) != minor(platform.python_version()):
        raise InputError(
            f"--address: {cluster.shown}: runs Python {python}, here is "
            f"{platform.python_version()}; use Python {minor(python)} here"
        )


@functools.cache
def minor(version: str) -> str:
    """3.11 of 3.11.7."""
    return ".".join(version.split(".")[:2])


def _of_token(message: str) -> str:
    if "Invalid" in message:
        return "refuses the token; set RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) to the cluster's"
    if "Missing" in message:
        return "wants a token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH)"
    return message.partition(". Ensure")[0]


def _last_line(error: Exception) -> str:
    """The server answers with a traceback; its last line says what it is about."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
