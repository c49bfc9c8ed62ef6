"""One line out of what Ray raises."""

import pyarrow as pa
import pytest
import ray

from compressor.errors import InputError, JobError
from compressor.pipeline.failure import cause_of, unwrapped
from compressor.pipeline.session import quiet_data


def test_our_own_exception_comes_out_of_a_task(ray_session: None) -> None:
    @ray.remote(num_cpus=0)
    def task() -> None:
        raise InputError("model x: no such directory")

    with pytest.raises(InputError, match=r"^model x: no such directory$"), unwrapped():
        ray.get(task.remote())


def test_our_own_exception_comes_out_of_a_constructor(ray_session: None) -> None:
    @ray.remote(num_cpus=0)
    class Actor:
        def __init__(self) -> None:
            raise InputError("model x: no such directory")

        def ping(self) -> None:
            return None

    with pytest.raises(InputError, match=r"^model x: no such directory$"), unwrapped():
        ray.get(Actor.remote().ping.remote())


def test_a_foreign_exception_becomes_one_line(ray_session: None) -> None:
    @ray.remote(num_cpus=0)
    def task() -> None:
        raise KeyError("lost")

    with pytest.raises(JobError, match=r"^KeyError: 'lost'$"), unwrapped():
        ray.get(task.remote())


def test_without_a_message_the_wrapper_speaks() -> None:
    inner, outer = Exception(), RuntimeError("The actor died.\n\nIt was killed.")
    outer.__cause__ = inner
    assert str(cause_of(outer)) == "RuntimeError: It was killed."


def test_what_ray_data_appends_is_left_out(ray_session: None) -> None:
    def fail(block: pa.Table) -> pa.Table:
        raise errors[block.column("id").to_pylist()[0]]

    errors = [JobError("a: b, do c"), OSError(28, "No space left on device")]
    for number, line in enumerate(("a: b, do c", "OSError: [Errno 28] No space left on device")):
        dataset = ray.data.from_arrow(pa.table({"id": [number]}))
        with pytest.raises(JobError) as caught, quiet_data(), unwrapped():
            dataset.map_batches(fail, batch_format="pyarrow").materialize()
        assert str(caught.value) == line
