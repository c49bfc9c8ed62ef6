"""What a notebook shows of a compression: read as a browser would, with an HTML parser."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import Compressor
from compressor.report.notebook import MOST_CHARACTERS, fragment
from compressor.report.strike import visible


class Shown(HTMLParser):
    """All text, the text inside <del>, and the tags of a fragment; what is unbalanced raises."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.struck = "", ""
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        self.struck += data if "del" in self._open else ""


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), dtype="float32")


def test_a_compression_shows_itself(engine: Compressor) -> None:
    text = "In 1969 two people walked on the Moon <b>&amp; stayed</b>."
    (result,) = engine.compress([text], 0.5, force_tokens=["Moon"])
    shown = Shown(result._repr_html_())
    assert text in shown.text
    assert "Moon" not in shown.struck
    assert shown.struck
    assert set(shown.tags) == {"div", "del"}
    assert f"{result.original_tokens} → {result.compressed_tokens} tokens" in shown.text


def test_passages_show_as_the_text_that_they_became(engine: Compressor) -> None:
    (result,) = engine.compress([["The first passage.", "The second one."]], 0.5)
    assert "The first passage.\nThe second one." in Shown(result._repr_html_()).text


def test_a_note_is_shown(engine: Compressor) -> None:
    (result,) = engine.compress(["a long text <i>"], target_tokens=1, force_tokens=["long", "text"])
    assert result.note is not None
    assert result.note in Shown(result._repr_html_()).text


def test_nothing_is_struck_at_rate_1(engine: Compressor) -> None:
    for text in ("All of it stays.", ""):
        (result,) = engine.compress([text], 1.0)
        assert Shown(result._repr_html_()).struck == ""


def test_a_long_text_is_cut() -> None:
    word = "word "
    text = word * 1_000_000
    kept = [(start, start + 4) for start in range(0, len(text), 10)]
    html = fragment(text, kept, 1_000_000, 500_000)
    assert f"… {len(text) - MOST_CHARACTERS:,} more characters" in html
    assert len(html) < 100_000
    assert len(Shown(html).struck) == MOST_CHARACTERS // 10 * 4


def test_a_kept_word_may_be_cut() -> None:
    html = fragment("x" * (MOST_CHARACTERS + 5), [(0, MOST_CHARACTERS + 5)], 1, 1)
    assert Shown(html).text.count("x") == MOST_CHARACTERS
    assert Shown(html).struck == ""


@settings(max_examples=50, deadline=None)
@given(
    # Of control characters only line feed and tab, as others are blanks that show.
    st.text(st.sampled_from("<>&\"' \n\tab") | st.characters(exclude_categories=["Cc"])),
    st.data(),
)
def test_every_text_is_shown_whole_and_as_text(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    kept = list(zip(cuts[::2], cuts[1::2], strict=False))
    shown = Shown(fragment(text, kept, 3, 2, note="<note>"))
    assert visible(text) in shown.text
    assert shown.text.endswith("<note>")
    dropped = "".join(c for i, c in enumerate(text) if not any(a <= i < b for a, b in kept))
    assert "".join(visible(dropped).split()) == "".join(shown.struck.split())
    assert set(shown.tags) <= {"div", "del"}
