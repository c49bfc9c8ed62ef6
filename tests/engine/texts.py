"""Generated texts of every sort, and an independent reading of what the invariants ask."""

import re

from hypothesis import strategies as st

from compressor import Compression

_PIECES = [
    "the", "quick", "don't", "state-of-the-art", "3.14", "150,782", "12.5%", "$64.00", "-5",
    "https://example.com/a?b=c", "jane.doe@example.com", "snake_case", "C++", "8*8=64", "Röntgen",
    "我喜欢苹果", "，因为", "日本語の文章", "สวัสดีครับ", "привет", "مرحبا", "שלום", "한국어",
    "😂", "👍🏽", "👨‍👩‍👧", "🇩🇪", "e\u0301te\u0301", "\u200f", "\x00\x07", "\ufeff", "\ud800",
    "a" * 70, "deadbeef" * 9, "[SEP]", "</s>", "<|end|>", "```", "(x)", "“q”", "...", "?!", "—",
    "| a |", "#1", "&amp;", "x=y", "\\n", "1/2", "٣٫١٤",
]  # fmt: skip
_SPACES = [" ", " ", " ", "  ", "\n", "\n\n", "\t", "", ", ", ". ", "\r\n", "\u3000", "\xa0"]

anything = st.text(st.characters(), max_size=60)
prose = st.lists(
    st.tuples(st.sampled_from(_PIECES) | st.text(max_size=6), st.sampled_from(_SPACES)),
    max_size=40,
).map(lambda pairs: "".join(piece + space for piece, space in pairs))
texts = st.one_of(prose, prose, prose, anything)


def matches(text: str, result: Compression) -> bool:
    """True where the text is made of exactly the kept spans and the original's separators."""
    pattern = ""
    last = None
    for start, end in result.kept:
        if last is not None:
            gap = text[last:start]
            glued = re.fullmatch(r"[A-Za-z0-9]{2}", text[last - 1] + text[start])
            if "\n" in gap or "\r" in gap:
                pattern += "\n"
            elif any(map(str.isspace, gap)):
                pattern += " "
            elif gap:
                pattern += " " if glued else " ?"
        pattern += re.escape(text[start:end])
        last = end
    return re.fullmatch(pattern, result.text) is not None
