"""What is compared, each as a function that takes all texts and returns when it is done with them.

The engine in the configured precision and in float32; the package `llmlingua` (0.2.2), all texts in
one call and one call a text; and a plain transformers pipeline, which only scores tokens. All run
the same weights on the same threads.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.two_labels import write_two_label_copy
from compressor.engine.compressor import Compressor

Run = Callable[[Sequence[str]], object]


@dataclass(frozen=True)
class Contender:
    name: str
    about: str
    run: Run


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str


def wanted_loads(
    config: BenchmarkConfig, device: str, checkpoint: str, scratch: Path
) -> list[partial[Contender | Skipped]]:
    """What loads each of `benchmark.contenders`, the engine first; to be called where it runs."""
    wanted = list(dict.fromkeys(["engine", *config.benchmark.contenders]))
    copy = ""
    if any(not name.startswith("engine") for name in wanted):
        copy = str(write_two_label_copy(checkpoint, scratch))
    return [partial(load_contender, name, config, device, copy) for name in wanted]


def load_contender(
    name: str, config: BenchmarkConfig, device: str, copy: str
) -> Contender | Skipped:
    """Load one contender; what can't be loaded says why. `copy`: the two-label checkpoint."""
    _quiet()
    rate = config.compression.rate
    if name.startswith("engine"):
        return _engine(name, config, rate)
    if name.startswith("llmlingua"):
        return _llmlingua(name, copy, device, rate)
    return _pipeline(copy, device, config.benchmark.batch_size)


def _quiet() -> None:
    """Progress bars and advice of transformers would stand between the measurements."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _engine(name: str, config: BenchmarkConfig, rate: float) -> Contender:
    engine = Compressor.from_pretrained(
        config.model.name,
        device=config.model.device,
        dtype="float32" if name == "engine-float32" else config.model.dtype,
        max_batch_tokens=config.model.max_batch_tokens,
    )
    return Contender(
        name,
        f"this project, {engine.dtype}, compressed texts",
        lambda texts: engine.compress(texts, rate),
    )


def _pipeline(copy: str, device: str, batch_size: int) -> Contender:
    from transformers import AutoTokenizer, pipeline

    tagger = pipeline(
        "token-classification",
        model=copy,
        tokenizer=AutoTokenizer.from_pretrained(copy, model_max_length=512),
        device=device,
        batch_size=batch_size,
        aggregation_strategy="simple",
        stride=64,  # with a stride it cuts long texts into windows instead of truncating them
    )
    return Contender(
        "transformers-pipeline",
        f"transformers pipeline, float32, batches of {batch_size}; scores only, builds no text",
        lambda texts: tagger(list(texts)),
    )


def _llmlingua(name: str, copy: str, device: str, rate: float) -> Contender | Skipped:
    if not os.environ.get("TIKTOKEN_CACHE_DIR"):
        return Skipped(
            name, "llmlingua loads tiktoken's cl100k_base: set TIKTOKEN_CACHE_DIR to its folder"
        )
    try:
        from llmlingua import PromptCompressor
    except ImportError:
        return Skipped(name, "llmlingua is not installed; pip install 'compressor[slow]'")
    peer = PromptCompressor(
        copy, device_map=device, use_llmlingua2=True, model_config={"trust_remote_code": False}
    )
    if name == "llmlingua-list":
        return Contender(
            name,
            "llmlingua, float32, all texts in one call",
            lambda texts: peer.compress_prompt(list(texts), rate=rate),
        )
    return Contender(
        name,
        "llmlingua, float32, one call a text",
        lambda texts: [peer.compress_prompt(text, rate=rate) for text in texts],
    )
