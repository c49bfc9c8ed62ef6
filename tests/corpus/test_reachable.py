"""An S3 server that is there but silent is found at once."""

import socket
import time
from typing import Any

import pytest

from compressor.corpus import reachable
from compressor.corpus.storage import Storage
from compressor.errors import InputError


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachable, "MOST_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        options = {"endpoint_url": url, "key": "test", "secret": "test"}
        started = time.monotonic()
        with pytest.raises(InputError, match=rf"^input.path: s3://b/in: {url} doesn't answer"):
            Storage.at("s3://b/in", options, key="input.path")
    assert time.monotonic() - started < 10


def test_a_server_that_answers_or_refuses_is_left_alone(s3_options: dict[str, Any]) -> None:
    Storage.at("s3://b/in", s3_options, key="input.path")
    assert s3_options["endpoint_url"] in reachable._answered
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refused = {**s3_options, "endpoint_url": f"http://127.0.0.1:{port}"}
    Storage.at("s3://b/in", refused, key="input.path")  # s3fs says what is wrong there


def test_other_filesystems_are_not_asked(tmp_path: Any) -> None:
    assert Storage.at(str(tmp_path), key="input.path").url == str(tmp_path)
    assert Storage.at("memory://x", key="input.path").url == "memory://x"
