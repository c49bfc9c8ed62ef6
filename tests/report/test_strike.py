import io
from dataclasses import replace

import pytest
from rich.console import Console

from compressor.report.page import page
from compressor.report.strike import Record, plain, segments, visible
from compressor.report.terminal import show

RECORD = Record("row 0", "the quick  brown\nfox", [(4, 9), (17, 20)], 4, 2)


def printed(record: Record, *, terminal: bool) -> str:
    out = io.StringIO()
    show([record], Console(file=out, force_terminal=terminal, width=60, highlight=False))
    return out.getvalue()


def test_segments_lose_nothing_and_keep_the_blanks() -> None:
    found = list(segments(RECORD.text, RECORD.kept))
    assert "".join(piece for piece, _ in found) == RECORD.text
    assert [piece for piece, keep in found if not keep] == ["the", "brown"]


def test_plain_text_marks_what_is_dropped() -> None:
    assert plain(RECORD) == "[-the-] quick  [-brown-]\nfox"


def test_counts() -> None:
    assert RECORD.counts == "4 → 2 tokens (50%)"
    assert Record("", "", [], 0, 0).counts == "0 → 0 tokens (100%)"


def test_a_terminal_gets_struck_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = printed(RECORD, terminal=True)
    assert "\x1b[2;9mthe\x1b[0m" in out
    assert "[-" not in out


@pytest.mark.parametrize("terminal", [True, False])
def test_no_colours_where_none_are_wanted(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    if terminal:
        monkeypatch.setenv("NO_COLOR", "1")
    out = printed(RECORD, terminal=terminal)
    assert "\x1b" not in out
    assert "[-the-] quick" in out


@pytest.mark.parametrize("terminal", [True, False])
def test_the_compressed_text_by_itself(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    record = replace(RECORD, compressed="quick\x1b fox")
    out = io.StringIO()
    show([record], Console(file=out, force_terminal=terminal, width=60), both=True)
    assert "quick\\x1b fox" in out.getvalue()
    assert "quick\\x1b fox" not in printed(record, terminal=terminal)
    assert "quick\\x1b fox" in page([record], title="t")


HOSTILE = "a\x1b]0;title\x07b\r\x9b31m \u202edesrever\u2069 \ud800 \x00"


@pytest.mark.parametrize("terminal", [True, False])
def test_control_characters_never_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    record = Record("row " + HOSTILE, HOSTILE, [(0, len(HOSTILE))], 1, 1, "note " + HOSTILE)
    out = printed(record, terminal=terminal)
    assert not set("\x07\x00\x9b\r\u202e\u2069\ud800") & set(out)
    assert "\x1b]" not in out
    assert "\\x1b]0;title\\x07" in out
    out.encode()


def test_markup_in_a_text_stays_text() -> None:
    assert "[bold]x[/bold]" in printed(
        Record("r", "[bold]x[/bold]", [(0, 14)], 1, 1), terminal=False
    )


def test_line_ends_of_windows_are_line_ends() -> None:
    assert visible("a\r\nb\tc") == "a\nb\tc"


def test_the_page_escapes_whatever_it_shows() -> None:
    text = '<script>alert("1")</script> & <b>bold</b>'
    record = Record("<i>id</i>", text, [(0, 8)], 9, 3, "a <note>")
    html = page([record], title="<corpus>")
    assert "<script" not in html
    assert "<b>bold" not in html
    assert "<i>id" not in html
    assert "&lt;script&gt;" in html
    assert "<del>" in html
    assert "a &lt;note&gt;" in html
    assert "<title>&lt;corpus&gt;</title>" in html


def test_the_page_needs_nothing_else() -> None:
    html = page([RECORD], title="t")
    assert "http" not in html
    assert "color-scheme: light dark" in html
    assert "4 → 2 tokens (50%)" in html
