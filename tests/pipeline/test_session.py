"""Joining Ray: an address where nobody answers, a Ray that is already there, its settings."""

import socket

import pytest
import ray
from ray.data import DataContext

from compressor.errors import InputError
from compressor.pipeline.resources import Node
from compressor.pipeline.session import _check_reachable, quiet_data, session


def test_a_ray_that_runs_already_is_used_and_left_alone(ray_session: None) -> None:
    with session(None) as nodes:
        assert nodes == [Node(4.0, 0.0)]
    assert ray.is_initialized()


def test_settings_of_ray_data_come_back(ray_session: None) -> None:
    before = DataContext.get_current()
    with quiet_data():
        assert DataContext.get_current().enable_progress_bars is False
    assert DataContext.get_current() is before


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_nobody_answers(form: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        _check_reachable(form.format(port))


def test_an_unreachable_address_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match=r"cluster\.address: 127\.0\.0\.1:1: can't be joined"):  # noqa: SIM117
        with session("127.0.0.1:1"):
            pass
