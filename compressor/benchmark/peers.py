"""What else one could use, each as its own users would run it: `llmlingua` and transformers."""

import importlib
import os
from collections.abc import Sequence

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.contender import Contender, Skipped, plain
from compressor.benchmark.plain_forward import load_plain_forward


def load_peer(
    name: str, config: BenchmarkConfig, device: str, checkpoint: str, copy: str
) -> Contender | Skipped:
    """One of the peers; `copy`: the checkpoint with two labels, in float32."""
    if name == "transformers-compile" and not device.startswith("cuda"):
        return Skipped(name, "is measured on a GPU only")
    if name in {"transformers-forward", "transformers-compile"}:
        return load_plain_forward(
            checkpoint,
            device=config.model.device,
            dtype=config.model.dtype,
            batch_tokens=config.benchmark.batch_tokens,
            compiled=name == "transformers-compile",
        )
    if name == "transformers-pipeline":
        return _pipeline(copy, device, config.benchmark.batch_size)
    return _llmlingua(name, copy, device, config.compression.rate)


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
    dtype = str(tagger.model.dtype).removeprefix("torch.")
    return plain(
        "transformers-pipeline",
        f"transformers pipeline, {dtype}, batches of {batch_size}; scores only, builds no text",
        lambda texts: tagger(list(texts)),
    )


def _llmlingua(name: str, copy: str, device: str, rate: float) -> Contender | Skipped:
    try:
        compressor = importlib.import_module("llmlingua").PromptCompressor
    except ImportError as error:
        missing = "is not installed" if error.name == "llmlingua" else f"can't be imported: {error}"
        return Skipped(name, f"llmlingua {missing}; pip install 'compressor[slow]'")
    if not os.environ.get("TIKTOKEN_CACHE_DIR"):
        return Skipped(
            name, "llmlingua loads tiktoken's cl100k_base: set TIKTOKEN_CACHE_DIR to its folder"
        )
    peer = compressor(
        copy, device_map=device, use_llmlingua2=True, model_config={"trust_remote_code": False}
    )
    dtype = str(peer.model.dtype).removeprefix("torch.")

    def each(texts: Sequence[str]) -> None:
        for text in texts:
            peer.compress_prompt(text, rate=rate)

    if name == "llmlingua-list":
        return plain(
            name,
            f"llmlingua, {dtype}, all texts in one call",
            lambda texts: peer.compress_prompt(list(texts), rate=rate),
        )
    return plain(name, f"llmlingua, {dtype}, one call a text", each)
