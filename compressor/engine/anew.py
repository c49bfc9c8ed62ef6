"""Which tokenizers begin anew at blanks, read from their parts: those that `pieces` may serve.

A text may be cut before a single blank between two solid characters where no part of the tokenizer
looks across: the normaliser works character by character (or by accents), the pre-tokenizer parts
at blanks, and no added token holds a blank or takes one that follows.
"""

import json
import re
from typing import Any

_LOCAL_NORMALIZERS = {
    "BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Precompiled",
    "Nmt",
}  # fmt: skip
_PART_AT_BLANKS = {"BertPreTokenizer", "WhitespaceSplit", "Whitespace"}
_PART_ELSEWHERE = {"ByteLevel", "Metaspace", "Digits", "Punctuation", "UnicodeScripts"}
_MODELS = {"WordPiece", "WordLevel", "BPE", "Unigram"}
_RUNS_OF_BLANKS = {"type": "Replace", "pattern": {"Regex": " {2,}"}}
PATTERNS = {
    # GPT-2 and r50k_base, as each spells it; cl100k_base; Llama 3; Qwen 2; o200k_base
    r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s""",
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"""
    r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"""
    r"""\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"""
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"""
    r"""[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}|"""
    r""" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
}
"""Patterns of byte-level tokenizers of which no match goes on across a single blank."""


_SINGLE_BLANK = re.compile(r"(?<! ) (?! )")


def begins_anew(backend: Any) -> bool:
    """Whether a `tokenizers.Tokenizer` is known to begin anew at single blanks."""
    normalizers = _members(backend.normalizer, "normalizers")
    parts = _members(backend.pre_tokenizer, "pretokenizers")
    added = backend.get_added_tokens_decoder().values()
    return (
        type(backend.model).__name__ in _MODELS
        and not getattr(backend.model, "dropout", None)
        and all(map(_normalises_locally, normalizers))
        and any(map(_parts_at_blanks, parts))
        and all(_parts_at_blanks(part) or part["type"] in _PART_ELSEWHERE for part in parts)
        and not any(token.rstrip or _SINGLE_BLANK.search(token.content) for token in added)
    )


def _members(component: Any, key: str) -> list[dict[str, Any]]:
    """The parts of a normaliser or pre-tokenizer, as in tokenizer.json."""
    if component is None:
        return []
    try:
        state = json.loads(component.__getstate__())
    except Exception:  # written in Python: nothing is known of it
        return [{"type": "unknown"}]
    return list(state[key]) if state["type"] == "Sequence" else [state]


def _normalises_locally(state: dict[str, Any]) -> bool:
    return state["type"] in _LOCAL_NORMALIZERS or _RUNS_OF_BLANKS.items() <= state.items()


def _parts_at_blanks(state: dict[str, Any]) -> bool:
    kind = state["type"]
    if kind == "Split":
        return state["pattern"].get("Regex") in PATTERNS and not state["invert"]
    return (
        kind in _PART_AT_BLANKS
        or (kind == "ByteLevel" and bool(state["use_regex"]))
        or (kind == "Metaspace" and bool(state["split"]))
    )
