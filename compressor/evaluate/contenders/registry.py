"""Contenders by name. A new one is a function here that makes it of the configuration.

Imports stand inside the functions: `--help` shows the names and loads nothing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compressor.engine.options import Coarse
    from compressor.evaluate.budget import Budget
    from compressor.evaluate.config import EvaluateConfig
    from compressor.evaluate.contenders.contender import Contender
    from compressor.reader.local import LocalReader

    Load = Callable[[EvaluateConfig, Budget], Contender]


def load_contender(entry: str, config: "EvaluateConfig", budget: "Budget") -> "Contender":
    """The contender of an entry of `evaluate.contenders`, a name or LABEL=CHECKPOINT.

    Raises `UnavailableError` where it can't take part here, `InputError` for what the user can
    mend.
    """
    label, equals, checkpoint = entry.partition("=")
    if equals:
        return _engine(label, checkpoint, config, budget)
    return CONTENDERS[entry](config, budget)


def _engine(
    label: str,
    checkpoint: str,
    config: "EvaluateConfig",
    budget: "Budget",
    coarse: "Coarse" = "none",
) -> "Contender":
    from compressor.evaluate.contenders.ours import Ours

    return Ours(
        label,
        checkpoint,
        budget,
        device=config.model.device,
        dtype=config.model.dtype,
        max_batch_tokens=config.model.max_batch_tokens,
        storage_options=config.data.storage_options,
        coarse=coarse,
    )


def _ours(config: "EvaluateConfig", budget: "Budget") -> "Contender":
    return _engine("ours", config.model.name, config, budget)


def _ours_coarse(config: "EvaluateConfig", budget: "Budget") -> "Contender":
    return _engine("ours-coarse", config.model.name, config, budget, "sentence")


def _random(config: "EvaluateConfig", budget: "Budget") -> "Contender":
    from compressor.evaluate.contenders.baselines import random_words

    return random_words("random", budget, seed=config.evaluate.seed)


def _truncate(_: "EvaluateConfig", budget: "Budget") -> "Contender":
    from compressor.evaluate.contenders.baselines import Truncated

    return Truncated("truncate", budget)


def _stopwords(_: "EvaluateConfig", budget: "Budget") -> "Contender":
    from compressor.evaluate.contenders.baselines import without_stop_words

    return without_stop_words("stopwords", budget)


def _tfidf(_: "EvaluateConfig", budget: "Budget") -> "Contender":
    from compressor.evaluate.contenders.baselines import by_tfidf

    return by_tfidf("tfidf", budget)


def _llmlingua2(config: "EvaluateConfig", budget: "Budget") -> "Contender":
    return _peer("llmlingua2", config, budget)


def _llmlingua2_as_is(config: "EvaluateConfig", _: "Budget") -> "Contender":
    return _peer("llmlingua2-as-is", config, None)


def _peer(name: str, config: "EvaluateConfig", budget: "Budget | None") -> "Contender":
    from compressor.evaluate.contenders.llmlingua2 import LLMLingua2

    return LLMLingua2(
        name,
        config.model.name,
        budget,
        device=config.model.device,
        storage_options=config.data.storage_options,
    )


def _selective_context(config: "EvaluateConfig", budget: "Budget") -> "Contender":
    from compressor.evaluate.contenders.selective_context import selective_context

    return selective_context("selective_context", budget, _language_model(config))


def _llmlingua1(config: "EvaluateConfig", budget: "Budget") -> "Contender":
    from compressor.evaluate.contenders.llmlingua1 import LLMLingua1

    return LLMLingua1(
        "llmlingua1",
        budget,
        _language_model(config),
        segment_tokens=config.perplexity.segment_tokens,
    )


def _language_model(config: "EvaluateConfig") -> "LocalReader":
    from compressor.errors import InputError
    from compressor.reader.reader import open_local

    reader = config.reader
    name = config.perplexity.model or (None if reader.base_url else reader.model)
    if not name:
        raise InputError(
            "perplexity.model: is required by selective_context and llmlingua1: a local causal "
            "language model (directory, hub id or .gguf file)"
        )
    return open_local(name, reader.device, reader.dtype, reader.max_batch_tokens)


CONTENDERS: "dict[str, Load]" = {
    "ours": _ours,
    "ours-coarse": _ours_coarse,
    "random": _random,
    "truncate": _truncate,
    "stopwords": _stopwords,
    "tfidf": _tfidf,
    "llmlingua2": _llmlingua2,
    "llmlingua2-as-is": _llmlingua2_as_is,
    "selective_context": _selective_context,
    "llmlingua1": _llmlingua1,
}
