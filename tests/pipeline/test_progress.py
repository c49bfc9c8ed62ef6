"""The progress says what a person waits for, on a terminal and in a log."""

import io
import json
import time

import pyte
import pytest

from compressor.interrupt import Stopped
from compressor.pipeline.progress import Progress, Watch, drawn, shown
from compressor.pipeline.screen import is_drawn, screen, view
from compressor.pipeline.tally import Counts, Extent, Tally, start_tally

COUNTS = Counts(5_000, 600_000, 300_000, errors=0, starting=0, working=2)
ONE = {
    "rows": 2,
    "original_tokens": 10,
    "compressed_tokens": 5,
    "error": 1,
    "ok": 1,
    "empty": 0,
}


def progress(extent: Extent, counts: Counts, left: float | None = 120.0) -> Progress:
    return Progress(extent, counts, 10_000.0, left)


def test_line_in_full() -> None:
    line = progress(Extent(20_000, 5_000, replicas=2), COUNTS).line()
    assert line == (
        "10,000/20,000 rows (50%) · 10,000 tokens/s · rate 0.500 · ETA 2:00 · replicas 2/2"
    )


def test_line_with_errors_and_a_replica_that_starts() -> None:
    counts = Counts(5_000, 600_000, 300_000, errors=3, starting=1, working=1)
    line = progress(Extent(20_000, replicas=2), counts, 3_600.0).line()
    assert line.endswith("ETA 1:00:00 · 3 errors · replicas 1/2 (1 starting)")


def test_line_before_the_first_shard() -> None:
    line = progress(Extent(20_000, replicas=2), Counts(starting=1), None).line()
    assert line == "0/20,000 rows (0%) · starting · replicas 0/2 (1 starting)"


def test_fields_for_machines() -> None:
    fields = progress(Extent(20_000, 5_000, replicas=2), COUNTS).fields()
    assert json.loads(json.dumps(fields)) == fields
    assert (fields["rows"], fields["rows_before"], fields["total_rows"]) == (10_000, 5_000, 20_000)
    assert (fields["rate"], fields["eta_seconds"]) == (0.5, 120.0)
    nothing = Progress(Extent(20_000), Counts()).fields()
    assert (nothing["rate"], nothing["tokens_per_second"], nothing["eta_seconds"]) == (None,) * 3


def test_a_retried_shard_counts_once() -> None:
    tally = Tally()
    assert tally.add(0, ONE) == 1
    assert tally.add(0, ONE) == 1
    assert tally.add(1, ONE) == 2
    counts = tally.counts()
    assert (counts.rows, counts.original_tokens, counts.compressed_tokens) == (4, 20, 10)
    assert counts.errors == 2


def test_a_replica_that_shows_no_life_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tally = Tally()
    tally.present("a", "working")
    tally.present("b", "starting")
    now = 9.0
    tally.present("b", "working")
    assert (tally.counts().starting, tally.counts().working) == (0, 2)
    now = 11.0
    assert (tally.counts().starting, tally.counts().working) == (0, 1)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_screen(written: str, *, columns: int = 80) -> list[str]:
    """What a terminal shows of it."""
    terminal = pyte.Screen(columns, 24)
    pyte.Stream(terminal).feed(written.replace("\n", "\r\n"))
    return [line.rstrip() for line in terminal.display if line.strip()]


@pytest.mark.parametrize("columns", [40, 100])
def test_the_view_has_all_of_it_whatever_the_width(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    counts = Counts(5_000, 600_000, 300_000, errors=3, starting=1, working=1)
    with screen(stream) as put:
        put(view(progress(Extent(20_000, 5_000, replicas=2), counts)))
        lines = on_screen(stream.getvalue(), columns=columns)
    text = " ".join(" ".join(lines).split())
    for part in ("10,000/20,000 rows", "10,000 tokens/s", "rate 0.500", "ETA 2:00", "errors 3"):
        assert part in text, (part, lines)
    assert "replicas 1/2 (1 starting)" in text
    assert on_screen(stream.getvalue(), columns=columns) == []  # nothing of it is left


def test_a_run_is_drawn_on_a_terminal(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    tally, stream = start_tally(Extent(4, replicas=1), "/data/out"), Terminal()
    tally.actor.present.remote("a", "working")
    tally.actor.add.remote(0, ONE)

    def interrupted() -> None:
        with shown(tally, stream=stream):
            time.sleep(2.5)
            raise KeyboardInterrupt

    with pytest.raises(Stopped, match="2 of 4 rows are done and kept; the same command"):
        interrupted()
    assert "2/4 rows (50%)" in stream.getvalue()
    assert "replicas 1/1" in stream.getvalue()
    assert on_screen(stream.getvalue()) == []
    assert tally.labels["output"] == "out"


def test_a_line_of_text_is_drawn_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with drawn(lambda _: "waiting for [bold] nodes", stream):
        time.sleep(1.5)
    assert "waiting for [bold] nodes" in stream.getvalue()


def test_where_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert is_drawn(Terminal())
    assert not is_drawn(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not is_drawn(Terminal())


def test_rows_of_earlier_runs_have_no_part_in_the_time_that_is_left() -> None:
    """1,000 rows a second, and 10,000 are left: 10 s, whoever did the others."""
    for before in (0, 989_000):
        watch = Watch(Extent(before + 11_000, before))
        watch.look(Counts(working=1), 0.0)
        seen = watch.look(Counts(1_000, 30_000, 15_000, working=1), 1.0)
        assert seen.left == pytest.approx(10.0)
        assert seen.tokens_per_second == pytest.approx(30_000.0)
