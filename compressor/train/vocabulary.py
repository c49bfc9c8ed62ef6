"""A vocabulary that tells capitals, for an encoder that was pretrained without them.

An uncased encoder can't see that "Apple" is a name. Its vocabulary gets capitalised forms of its
own pieces, whose embeddings start as those of the lower-case pieces plus one common offset;
fine-tuning learns what the offset means. Nothing else of the model changes, and what comes out is a
plain cased WordPiece checkpoint.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from string import ascii_uppercase
from typing import Any

import regex
import torch

from compressor.errors import InputError

CONTINUATION = "##"
_WORD = regex.compile(r"\p{L}+")
# Rare names are spelt with short first pieces; without capitals of these they would be unknown.
_SHORT_PIECE = 3
# Of the mean length of an embedding: enough to be seen, too little to hide the word.
_OFFSET_LENGTH = 0.3


def cased_vocabulary(
    pieces: Sequence[str], names: Collection[str], texts: Iterable[str], *, size: int
) -> list[str]:
    """An uncased WordPiece vocabulary with capitals: `size` pieces in the order of their ids.

    `pieces`: the uncased vocabulary in the order of its ids, frequent words first. `names`: words
    that are written with a capital only ("London", "NATO"); they lose their lower-case form.
    `texts`: where capitalised forms are counted; the frequent ones are taken, then those of the
    first pieces. Raises `ValueError` if `size` is too small for what must be there: all pieces,
    single capital letters, and capitals of the short pieces that rare names start with.
    """
    rank = {piece: number for number, piece in enumerate(pieces)}
    kept = [_cased(piece, names) for piece in pieces if not piece.startswith("[unused")]
    plain = [piece for piece in pieces if piece.isascii() and piece.isalpha()]
    short = [piece.capitalize() for piece in plain if len(piece) <= _SHORT_PIECE]
    letters = [prefix + letter for letter in ascii_uppercase for prefix in ("", CONTINUATION)]
    vocabulary = list(dict.fromkeys([*kept, *letters, *short]))
    if len(vocabulary) > size:
        raise ValueError(f"a cased vocabulary needs at least {len(vocabulary)} pieces, not {size}")
    counts = Counter(word for text in texts for word in _WORD.findall(text))
    frequent = sorted(
        (w for w in counts if w.lower() in rank and w in (w.capitalize(), w.upper())),
        key=lambda w: (-counts[w], rank[w.lower()]),
    )
    first = [piece.capitalize() for piece in plain]
    return list(dict.fromkeys([*vocabulary, *frequent, *first]))[:size]


def _cased(piece: str, names: Collection[str]) -> str:
    if len(piece) <= _SHORT_PIECE or piece.startswith((CONTINUATION, "[")):
        return piece
    return next((form for form in (piece.capitalize(), piece.upper()) if form in names), piece)


def cased_tokenizer(tokenizer: Any, vocabulary: Sequence[str]) -> Any:
    """A BERT tokenizer as `tokenizer` is, with `vocabulary`, that leaves case alone.

    Accents go, as they did in pretraining.
    """
    return type(tokenizer)(
        vocab={piece: number for number, piece in enumerate(vocabulary)},
        do_lower_case=False,
        strip_accents=True,
        model_max_length=tokenizer.model_max_length,
    )


def transplant(model: Any, before: Any, after: Any, *, seed: int) -> None:
    """Give `model` the embeddings for the tokenizer `after`, from those it has for `before`.

    A piece of both keeps its row; a capitalised form starts as its lower-case piece plus an offset,
    one for "Apple", another for "APPLE", drawn with `seed`. Raises `InputError` for a piece that
    `before` doesn't have in any case.
    """
    old = model.get_input_embeddings().weight.data
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.randn(2, old.shape[1], generator=generator)
    offsets *= _OFFSET_LENGTH * old.norm(dim=1).mean() / offsets.norm(dim=1, keepdim=True)
    ids = before.get_vocab()
    new = torch.empty(len(after), old.shape[1])
    for piece, row in after.get_vocab().items():
        if piece in ids:
            new[row] = old[ids[piece]]
        elif piece.lower() in ids:
            new[row] = old[ids[piece.lower()]] + offsets[int(_all_capitals(piece))]
        else:
            raise InputError(f"model.tokenizer: the base has nothing for the piece {piece!r}")
    model.resize_token_embeddings(len(after), mean_resizing=False)
    model.get_input_embeddings().weight.data.copy_(new)


def _all_capitals(piece: str) -> bool:
    letters = piece.removeprefix(CONTINUATION)
    return letters.isupper() and (len(letters) > 1 or piece != letters)
