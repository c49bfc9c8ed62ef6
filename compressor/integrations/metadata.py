"""What a compressed document or node says of itself in its metadata, under the same names
everywhere."""

from typing import Any

from compressor.engine.compression import Compression


def metadata_of(result: Compression) -> dict[str, Any]:
    """`original_tokens`, `compressed_tokens`, and `compression_note` where there is a note."""
    note = {} if result.note is None else {"compression_note": result.note}
    return {
        "original_tokens": result.original_tokens,
        "compressed_tokens": result.compressed_tokens,
        **note,
    }
