"""The runs of a job on Ray Train: workers placed, joined, started again when one is lost.

All that is trained and written is the library's doing (`train_runs`); Ray brings the processes and
the process group between them. A worker that dies takes its group with it; a new group goes on from
the last checkpoint in `output.work`, which all nodes must see.
"""

import math
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from compressor.corpus.storage import Storage
from compressor.engine.memory import keep_freed_memory
from compressor.errors import InputError, JobError
from compressor.pipeline.resources import MOST_CPUS_PER_GPU, Node
from compressor.pipeline.session import on_cluster, session
from compressor.train.config import TrainConfig
from compressor.train.runs import train_runs
from compressor.train.task import Task
from compressor.train.world import World

LISTEN_SECONDS = 0.5  # between two looks for new lines of the first worker


def train_on_ray(
    config: TrainConfig, task: Task, work: Storage, say: Callable[[str], None]
) -> None:
    """Train all runs by `training.workers` workers; their checkpoints are in `work` then.

    Raises `InputError` where the cluster lacks what is asked for, and `JobError` when the workers
    fail more than `training.retries` times.
    """
    with session(config.cluster.address) as nodes:
        import ray

        cpus, gpus = worker_resources(config, nodes)
        with _heard(say) as lines:
            on_cluster(_fit, config, [ray.put(task)], work, lines, cpus, gpus)


def worker_resources(config: TrainConfig, nodes: Sequence[Node]) -> tuple[float, int]:
    """(CPUs, GPUs) of each worker: the most that all of them can have.

    Raises `InputError` where there are too few GPUs.
    """
    workers, device = config.training.workers, config.model.device
    wanted = config.training.gpus_per_worker
    there = sum(int(node.gpus) for node in nodes)
    gpus = int(bool(there) and device != "cpu") if wanted == "auto" else wanted
    if device == "cuda" and not gpus:
        raise InputError("model.device: is cuda, but workers have no GPU; add one, or use auto")
    if device == "cpu" and gpus:
        raise InputError("training.gpus_per_worker: GPUs are asked for, but model.device is cpu")
    room = sum(int(node.gpus) // gpus for node in nodes) if gpus else workers
    if room < workers:
        raise InputError(
            f"training.workers: {workers} with {gpus} GPUs each are asked for, but the cluster "
            f"({there} GPUs) has room for {room}; lower it, or set training.gpus_per_worker=0"
        )

    def fit(cpus: float) -> int:
        return sum(
            min(int(node.cpus / cpus + 1e-9), int(node.gpus) // gpus if gpus else workers)
            for node in nodes
        )

    shares = {node.cpus / count for node in nodes for count in range(1, workers + 1) if node.cpus}
    cpus = max((share for share in shares if fit(share) >= workers), default=0.0)
    if gpus:
        cpus = min(cpus, MOST_CPUS_PER_GPU)
    return math.floor(cpus * 1e3) / 1e3, gpus  # Ray counts CPUs in ten-thousandths


def _fit(
    config: TrainConfig, task: list[Any], work: Storage, lines: Any, cpus: float, gpus: int
) -> None:
    """Start the workers and wait for them.

    `task`: a reference to a `Task` in Ray's store; bare, Ray would fetch it on the way.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    resources: dict[str, float] = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
    # Ray wants a folder for checkpoints of its own; ours don't pass through it.
    with tempfile.TemporaryDirectory() as scratch, _own_interrupts():
        trainer: Any = TorchTrainer(
            _work,  # type: ignore[arg-type]
            train_loop_config={"config": config, "task": task, "work": work, "lines": lines},
            scaling_config=ScalingConfig(
                num_workers=config.training.workers,
                use_gpu=bool(gpus),
                resources_per_worker=resources,
            ),
            run_config=RunConfig(
                name="train",
                storage_path=scratch,
                failure_config=FailureConfig(max_failures=config.training.retries),
            ),
        )
        try:
            failed = trainer.fit().return_value
        except TrainingFailedError as error:
            raise JobError(_explain(error)) from error
    if failed is not None:
        raise failed


def _work(settings: dict[str, Any]) -> Exception | None:
    """One worker. An error that would come again is returned: raised, it would be retried."""
    import ray
    from ray.train import get_context
    from ray.train.torch import get_device

    config: TrainConfig = settings["config"]
    context = get_context()
    world = World(context.get_world_rank(), context.get_world_size(), get_device())
    if world.device.type == "cpu":
        keep_freed_memory()
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    task: Task = ray.get(settings["task"][0])

    def say(line: str) -> None:
        ray.get(settings["lines"].add.remote(line))

    try:
        train_runs(config, task, work=settings["work"], world=world, say=say)
    except JobError as error:  # of all workers alike
        return error
    return None


class _Lines:
    """What the first worker says, until the driver fetches it."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        self._lines.append(line)

    def take(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines


@contextmanager
def _heard(say: Callable[[str], None]) -> Iterator[Any]:
    """An actor that takes lines from workers; they are said here while the block runs."""
    import ray

    lines: Any = ray.remote(num_cpus=0)(_Lines).remote()
    ended = threading.Event()

    def pass_on() -> None:
        for line in ray.get(lines.take.remote()):
            say(line)

    def listen() -> None:
        while not ended.wait(LISTEN_SECONDS):
            pass_on()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield lines
    finally:
        ended.set()
        listener.join()
        pass_on()
        ray.kill(lines)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Ray Train takes Ctrl-C for itself and keeps it; give it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _explain(error: Exception) -> str:
    """The first worker's failure in one line."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    rank, cause = next(iter(failures.items()))
    cause = getattr(cause, "_base_exc", cause)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    reason = lines[0] if lines else ""
    return f"training failed on worker {rank}: {type(cause).__name__}: {reason}"
