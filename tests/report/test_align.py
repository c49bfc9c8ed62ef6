import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.report import align
from compressor.report.align import kept_spans

TEXT = "The first prize was awarded in 1901, the second prize in 1902."


def parts(text: str, compressed: str) -> list[str]:
    spans = kept_spans(text, compressed)
    assert spans is not None
    return [text[a:b] for a, b in spans]


@pytest.mark.parametrize(
    ("compressed", "kept"),
    [
        ("first prize awarded 1901", ["first", "prize", "awarded", "1901"]),
        ("The first prize was awarded in 1901, the second prize in 1902.", None),
        ("second prize in 1902", ["second", "prize", "in", "1902"]),
        ("", []),
    ],
)
def test_recovers_the_kept_words(compressed: str, kept: list[str] | None) -> None:
    found = parts(TEXT, compressed)
    words = [piece for part in found for piece in part.split()]
    if kept is None:
        assert words == TEXT.split()
    else:
        assert [word.strip(",.") for word in words] == kept


def test_a_repeated_word_falls_beside_its_neighbour() -> None:
    spans = kept_spans(TEXT, "second prize in 1902")
    assert spans
    assert spans[0][0] == TEXT.index("second")


def test_a_word_that_was_cut_is_matched_by_characters() -> None:
    assert "".join(parts("hash 0f3a9b7c end", "0f3a end")).replace(" ", "") == "0f3aend"


def test_text_without_spaces() -> None:
    assert "".join(parts("今天天气很好，我们去公园。", "天气好，去公园")) == "天气好，去公园"


def test_what_is_no_selection_is_none() -> None:
    assert kept_spans(TEXT, "third prize") is None
    assert kept_spans("", "word") is None


def test_a_long_text_takes_the_first_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "_MAX_CELLS", 1)
    assert parts(TEXT, "prize in 1902") == ["prize", "in", "1902"]
    assert kept_spans(TEXT, "third prize") is None


words = st.lists(
    st.sampled_from(["a", "be", "cat", "1.5", "don't", "é", "你好", "x-y"]), max_size=30
)


@given(words, st.data())
def test_every_selection_is_recovered(chosen: list[str], data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen)))
    compressed = " ".join(word for word, keep in zip(chosen, mask, strict=True) if keep)
    text = "  ".join(chosen)
    spans = kept_spans(text, compressed)
    assert spans is not None
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(compressed.split())
    assert all(a < b for a, b in spans)
    assert [end for _, end in spans[:-1]] <= [start for start, _ in spans[1:]]
