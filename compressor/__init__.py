"""Compress text for language models: delete the words that carry no information.

`from compressor import Compressor` is the whole library; `jobs/` runs it over a corpus.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compressor.engine.compressor import Compression, Compressor

__version__ = "0.1.0"
__all__ = ["Compression", "Compressor", "__version__"]


def __getattr__(name: str) -> Any:
    """Import torch and transformers only when the engine is asked for: `--help` stays quick."""
    if name in {"Compression", "Compressor"}:
        from compressor.engine import compressor

        return getattr(compressor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
