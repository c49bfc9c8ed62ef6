"""Chunks: the text is rebuilt, none is too long, and they end where sentences do."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.distill.chunk import Chunk, cut_chunks, join
from compressor.distill.tokens import teacher_counter
from compressor.engine.subwords import TokenCounter, load_counter
from compressor.errors import InputError

PIECES = st.sampled_from(
    ["The fox sleeps. ", "No! ", "well, then ", "fox ", "\n\n", "  ", "。", "狐は眠る。", "狐",
     "x" * 40, "150,782.5 ", "don't ", "🙂", "\u200b", "\x1c", "Dr. ", "مرحبا؟ ", "e\u0301 "]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=60).map("".join)


@pytest.fixture(scope="session")
def counter() -> TokenCounter:
    return teacher_counter(None)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXTS, max_size=4), most=st.integers(8, 40))
def test_chunks_rebuild_the_text_and_fit(
    counter: TokenCounter, texts: list[str], most: int
) -> None:
    found = cut_chunks(texts, counter, most)
    assert len(found) == len(texts)
    for text, chunks in zip(texts, found, strict=True):
        assert join(chunks) == (text if text.strip() else "")
        assert all(chunk.text.strip() for chunk in chunks)
        assert all(not chunk.separator.strip() for chunk in chunks)
        assert all(chunk.text == chunk.text.rstrip() for chunk in chunks)
        tokens = counter.count([chunk.text.strip() for chunk in chunks]).tolist()
        assert all(count <= most for count in tokens), (tokens, most)


def test_chunks_end_at_sentence_ends(counter: TokenCounter) -> None:
    """Also where the last one in reach is in the first half; in scripts without blanks too."""
    short, long = "The fox sleeps now.", "The dog jumps " + "over and over " * 10 + "the fox."
    for sentence, other in (
        (short, long),
        ("狐は今眠っている。", "犬は" + "何度も" * 12 + "跳ぶ。"),
    ):
        blank = " " if sentence.isascii() else ""
        text = blank.join([sentence, other] * 8)
        most = int(counter.count([other])[0]) + 2
        (chunks,) = cut_chunks([text], counter, most)
        assert len(chunks) > 8
        assert all(chunk.text[-1] in ".。" for chunk in chunks)
        assert {chunk.separator for chunk in chunks[:-1]} == {blank}


def test_a_sentence_end_at_the_very_start_is_passed_over(counter: TokenCounter) -> None:
    (chunks,) = cut_chunks(["Dr. " + "fox " * 100], counter, 32)
    assert chunks[0].text.startswith("Dr. fox")


def test_neighbours_dont_matter(counter: TokenCounter) -> None:
    texts = ["A fox. " * 50, "", "Dogs and foxes! " * 30]
    alone = [cut_chunks([text], counter, 24)[0] for text in texts]
    assert cut_chunks(texts, counter, 24) == alone


def test_join_wants_a_compression_for_each_chunk(counter: TokenCounter) -> None:
    chunks = [Chunk("The fox sleeps.", "\n\n"), Chunk("The dog jumps.", "\n")]
    assert join(chunks) == "The fox sleeps.\n\nThe dog jumps.\n"
    assert join(chunks, ["fox sleeps", "dog jumps"]) == "fox sleeps\n\ndog jumps\n"
    with pytest.raises(ValueError, match="argument"):
        join(chunks, ["fox sleeps"])
    with pytest.raises(ValueError, match="at least one token"):
        cut_chunks(["fox"], counter, 0)


def test_the_counter_is_that_of_the_engine(tiny_model: Path, tmp_path: Path) -> None:
    texts = ["The fox sleeps, and the 150,782 dogs don't.", "狐は眠る。", "", " \n", "[CLS] x"]
    for name in ("default", str(tiny_model)):
        light, full = teacher_counter(name), load_counter(name)
        assert light.count(texts).tolist() == full.count(texts).tolist()
        assert (light.encode(texts).start == full.encode(texts).start).all()
    assert (
        teacher_counter(None).count(texts).tolist() == load_counter("default").count(texts).tolist()
    )
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(
        InputError, match=r"^distill\.tokenizer: .*tokenizer\.json: can't be loaded"
    ):
        teacher_counter(str(tmp_path))
