"""The progress line says what a person waits for."""

import io
import time

from compressor.pipeline.progress import Progress, Tally, shown, start_tally


def test_line_in_full() -> None:
    progress = Progress(20_000, 5_000, 5_000, 600_000, 300_000)
    assert (
        progress.line(60.0) == "10,000/20,000 rows (50%) · 10,000 tokens/s · rate 0.500 · ETA 2:00"
    )


def test_line_before_the_first_shard() -> None:
    assert Progress(20_000).line(3.0) == "0/20,000 rows (0%) · starting"


def test_a_long_wait_shows_hours() -> None:
    assert Progress(3_601, rows=1, original_tokens=1).line(1.0).endswith("ETA 1:00:00")


def test_a_retried_shard_counts_once() -> None:
    tally = Tally()
    one = {"rows": 2, "original_tokens": 10, "compressed_tokens": 5, "error": 1}
    tally.add(0, one)
    tally.add(0, one)
    tally.add(1, one)
    assert tally.sums() == (4, 20, 10)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_redrawn_on_a_terminal_and_gone_at_the_end(ray_session: None) -> None:
    tally, stream = start_tally(), Terminal()
    tally.add.remote(0, {"rows": 2, "original_tokens": 10, "compressed_tokens": 5, "error": 1})
    with shown(tally, total=4, before=0, stream=stream):
        time.sleep(2.5)
    assert "\r\x1b[2K2/4 rows (50%)" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")
    assert "\n" not in stream.getvalue()
