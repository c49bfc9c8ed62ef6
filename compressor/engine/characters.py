"""What kind of character each code point is: the alphabet of word segmentation.

One table for all of Unicode, so that a whole batch of text is classified by one numpy lookup.
"""

import functools
import string
import unicodedata

import numpy as np
import numpy.typing as npt

SPACE, LETTER, DIGIT, IDEOGRAPH, MARK, OPEN, PUNCTUATION, SYMBOL = range(8)
"""MARK extends the character before it (accents, joiners, variation selectors).
IDEOGRAPH stands for every script that is written without spaces, Thai and Khmer included."""

_SPACELESS = [
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # CJK radicals
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),  # CJK ideographs
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),  # half-width Katakana
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
]
_CLASS_OF_CATEGORY = {
    **dict.fromkeys(["Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "No", "Pc", "Co", "Cn"], LETTER),
    "Nd": DIGIT,
    **dict.fromkeys(["Mn", "Mc", "Me", "Cf"], MARK),
    **dict.fromkeys(["Ps", "Pi"], OPEN),
    **dict.fromkeys(["Pe", "Pf", "Po", "Pd", "Sk"], PUNCTUATION),
    **dict.fromkeys(["Sm", "Sc", "So", "Cc", "Cs"], SYMBOL),
    **dict.fromkeys(["Zs", "Zl", "Zp"], SPACE),
}
_LAST_ASSIGNED = 0x32400
"""Above it there are only unassigned and private code points, tags and variation selectors."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)


@functools.cache
def class_table() -> npt.NDArray[np.uint8]:
    """The class of every code point, uint8 [0x110000]."""
    table = np.full(0x110000, LETTER, np.uint8)
    categories = [unicodedata.category(chr(code)) for code in range(_LAST_ASSIGNED)]
    table[:_LAST_ASSIGNED] = [_CLASS_OF_CATEGORY[category] for category in categories]
    for first, last in _SPACELESS:
        part = table[first : last + 1]
        part[part == LETTER] = IDEOGRAPH
    table[0xE0000:0xE0200] = MARK
    table[_SKIN_TONES.start : _SKIN_TONES.stop] = MARK
    table[[ord(char) for char in string.punctuation if char not in "_([{"]] = PUNCTUATION
    table[[code for code in range(0x3001) if chr(code).isspace()]] = SPACE
    return table


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The code points of a text, uint32 [len(text)], lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def members(chars: str) -> npt.NDArray[np.uint32]:
    """A set of characters for `numpy.isin`."""
    return np.array(sorted(map(ord, chars)), np.uint32)
