"""A reader behind a server gives what the same model gives locally."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import InputError, JobError
from compressor.reader import endpoint
from compressor.reader.config import ReaderSection
from compressor.reader.endpoint import EndpointReader
from compressor.reader.local import LocalReader
from compressor.reader.reader import open_reader
from tests.reader.causal import save_causal
from tests.reader.completions_server import Served, serving

PROMPTS = ["Who walked on the Moon?", "In 1969 two people walked on the Moon. When was it?", "Why?"]
ANSWERS = [" two people", " in 1969", " because it sleeps"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("served"), "gpt2")


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with serving(Served(folder)) as one:
        yield one


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are real elsewhere, short here."""
    monkeypatch.setattr(endpoint, "_WAIT", 0.01)


def test_likelihoods_and_answers_are_those_of_the_model(folder: Path, served: Served) -> None:
    remote = open_reader(ReaderSection(model="tiny", base_url=served.url))
    local = LocalReader(str(folder), dtype="float32")
    np.testing.assert_allclose(remote.nll(PROMPTS, ANSWERS), local.nll(PROMPTS, ANSWERS), atol=1e-4)
    found = remote.generate(PROMPTS, max_new_tokens=5)
    assert found == local.generate(PROMPTS, max_new_tokens=5)
    assert any(found)


def test_a_chat_server_answers(folder: Path, served: Served) -> None:
    chat = EndpointReader(served.url, "tiny", chat=True)
    local = LocalReader(str(folder), dtype="float32")
    assert chat.generate(PROMPTS, max_new_tokens=5) == local.generate(PROMPTS, max_new_tokens=5)


def test_a_server_without_prompt_likelihoods_is_told(folder: Path) -> None:
    with (
        serving(Served(folder, echoes=False)) as one,
        pytest.raises(InputError, match=r"echo.*reader\.likelihood=false"),
    ):
        EndpointReader(one.url, "tiny").nll(PROMPTS, ANSWERS)


@pytest.mark.usefixtures("patient")
def test_a_busy_server_is_asked_again(served: Served) -> None:
    wanted = EndpointReader(served.url, "tiny", concurrency=1).nll(PROMPTS, ANSWERS)
    served.faults[:] = [429, 503, 500]
    found = EndpointReader(served.url, "tiny", concurrency=1).nll(PROMPTS, ANSWERS)
    np.testing.assert_array_equal(found, wanted)
    served.faults[:] = [503] * 20
    with pytest.raises(JobError, match="503"):
        EndpointReader(served.url, "tiny", concurrency=1).nll(PROMPTS[:1], ANSWERS[:1])


@pytest.mark.usefixtures("patient")
def test_a_refusal_ends_it_at_once(served: Served) -> None:
    served.faults[:] = [401]
    with pytest.raises(InputError, match="refuses: 401"):
        EndpointReader(served.url, "tiny").generate(PROMPTS[:1], max_new_tokens=2)
    assert len(served.keys) == 1


def test_the_key_comes_from_the_environment(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", "open sesame")
    reader = EndpointReader(served.url, "tiny", api_key_env="TINY_KEY")
    reader.generate(PROMPTS[:1], max_new_tokens=2)
    assert served.keys == ["Bearer open sesame"]
    assert "sesame" not in reader.identity


@pytest.mark.usefixtures("patient")
def test_no_server_is_said() -> None:
    with pytest.raises(JobError, match="attempts"):
        EndpointReader("http://127.0.0.1:9/v1", "tiny").nll(PROMPTS, ANSWERS)
