"""Pieces tokenised once give what whole texts give, for every tokenizer that may be cut."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tiktoken
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from compressor.engine import pieces
from compressor.engine.anew import PATTERNS, begins_anew
from compressor.engine.flat import FlatTexts
from compressor.engine.subwords import FastTokenizer, TiktokenTokenizer, TokenCounter, encodable
from tests.engine.conftest import CORPUS, FAMILIES, build_tokenizer, byte_bpe
from tests.engine.texts import texts

many = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
LLAMA3 = next(
    pattern for pattern in PATTERNS if r"\p{N}{1,3}| ?[^" in pattern and "Lu" not in pattern
)


def split_by_pattern() -> Any:
    """Llama 3's way: a pattern, then bytes."""
    tokenizer = byte_bpe(False, "<s>", "</s>", "<pad>", "<unk>").backend_tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def words_then_metaspace() -> Any:
    """XLM-RoBERTa's way: white space parts, and each word gets its mark."""
    tokenizer = build_tokenizer("xlm-roberta").backend_tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    return tokenizer


TOKENIZERS: dict[str, Any] = {
    **{family: (lambda family=family: build_tokenizer(family)) for family in FAMILIES},
    "prefix space": lambda: byte_bpe(True, "<s>", "</s>", "<pad>", "<unk>"),
    "pattern": split_by_pattern,
    "words": words_then_metaspace,
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> FastTokenizer:
    return FastTokenizer(TOKENIZERS[request.param]())


def check(tokenizer: Any, batch: list[str]) -> None:
    batch = [encodable(text) for text in batch]
    ours, plain = tokenizer.encode(batch), tokenizer._tokenise(batch)
    assert ours.splits.tolist() == plain.splits.tolist()
    assert ours.ids.tolist() == plain.ids.tolist()
    assert ours.end.tolist() == plain.end.tolist()
    assert trimmed(batch, ours) == trimmed(batch, plain)
    assert tokenizer.count(batch).tolist() == plain.counts.tolist()


def trimmed(batch: list[str], subwords: Any) -> list[int]:
    """Starts behind the blanks in front."""
    rows = np.repeat(np.arange(len(batch)), subwords.counts).tolist()
    spans = zip(rows, subwords.start.tolist(), subwords.end.tolist(), strict=True)
    return [
        end - len(batch[row][start:end].lstrip()) if end > start else end
        for row, start, end in spans
    ]


@many
@given(st.lists(texts, min_size=30, max_size=40))
def test_pieces_give_what_texts_give(tokenizer: FastTokenizer, batch: list[str]) -> None:
    assert tokenizer._pieces is not None
    check(tokenizer, batch)


def test_every_solid_character_may_stand_at_a_cut(tokenizer: FastTokenizer) -> None:
    solid = np.flatnonzero(pieces._is_solid()).tolist()
    chars = [chr(code) for code in solid if code < 0x3400 or code % 97 == 0]
    rows = [chars[at : at + 50] for at in range(0, len(chars), 50)]
    check(tokenizer, [" ".join(f"{char} a{char} {char}b" for char in row) for row in rows])


@many
@given(st.lists(texts, min_size=30, max_size=40))
def test_tiktoken(batch: list[str]) -> None:
    check(small_encoding(), batch)


def small_encoding(pattern: str = LLAMA3) -> TiktokenTokenizer:
    ranks = {bytes([byte]): byte for byte in range(256)}
    for pair in (b"th", b"the", b" t", b" the", b"in", b"er", "é".encode(), b"  "):
        ranks[pair] = len(ranks)
    encoding = tiktoken.Encoding(
        "small", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|end|>": 300}
    )
    return TiktokenTokenizer(encoding)


def test_an_unknown_pattern_is_left_alone() -> None:
    assert small_encoding()._pieces is not None
    assert small_encoding(r"[^ ]+ ?|\s+")._pieces is None


def test_what_looks_across_blanks_is_left_alone() -> None:
    def of(change: Any) -> bool:
        backend = words_then_metaspace()
        change(backend)
        return begins_anew(backend)

    def metaspace(backend: Any) -> None:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(split=False)

    def nothing(backend: Any) -> None:
        backend.pre_tokenizer = None

    def strip(backend: Any) -> None:
        backend.normalizer = normalizers.Strip()

    def dropout(backend: Any) -> None:
        backend.model = models.BPE(dropout=0.1)

    def right(backend: Any) -> None:
        backend.add_special_tokens([tokenizers.AddedToken("<x>", rstrip=True)])

    def phrase(backend: Any) -> None:
        backend.add_tokens(["New York"])

    assert of(lambda backend: None)
    assert of(lambda backend: backend.add_tokens(["   ", "<x>"]))
    for change in (metaspace, nothing, strip, dropout, right, phrase):
        assert not of(change), change


def test_a_tokenizer_that_looks_across_blanks_works() -> None:
    backend = words_then_metaspace()
    backend.add_tokens(["New York"])
    tokenizer: TokenCounter = FastTokenizer(backend)
    (alone,) = tokenizer.count(["in New York now"])
    assert alone == tokenizer.encode(["in New York now"]).counts[0]
    assert alone < FastTokenizer(words_then_metaspace()).count(["in New York now"])[0]


def test_few_pieces_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_MOST_KNOWN", 50)
    tokenizer = FastTokenizer(build_tokenizer("bert"))
    assert tokenizer._pieces is not None
    for first in range(0, 300, 30):
        check(tokenizer, [f"word{at} {'x' * 100}{at} {at}" for at in range(first, first + 12)])
        known = tokenizer._pieces._known
        assert len(known.number) <= 50
        assert len(known.table.splits) - 1 == len(known.number)
        assert all(len(piece) <= 40 for piece in known.number)


def test_threads_share_the_pieces() -> None:
    tokenizer = FastTokenizer(build_tokenizer("bert"))
    batches = [[f"{text} {n % 7} w{n}" for text in CORPUS[:9]] for n in range(40)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(tokenizer.encode, batches))
    for batch, ours in zip(batches, together, strict=True):
        assert ours.ids.tolist() == tokenizer._tokenise(batch).ids.tolist()


@many
@given(st.lists(texts, max_size=12), st.data())
def test_flat_texts_are_their_texts(batch: list[str], data: st.DataObject) -> None:
    flat = FlatTexts.of(batch)
    assert list(flat) == batch
    assert [flat[row] for row in range(len(batch))] == batch
    assert flat[1:] == batch[1:]
    rows = data.draw(st.lists(st.sampled_from(range(len(batch))), max_size=9)) if batch else []
    assert list(flat.take(np.array(rows, np.int64))) == [batch[row] for row in rows]
    assert list(FlatTexts.concat([flat, FlatTexts.of([]), flat])) == batch * 2
    assert flat.has_surrogates == any(text != encodable(text) for text in batch)
