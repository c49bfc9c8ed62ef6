"""What a run looks like on a terminal: a few lines that are drawn again and again, then erased.

Input: a `Progress`, or a line of text; output: the terminal. The lines fit its width, and what else
is written to stderr meanwhile stays above them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from compressor.log import is_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compressor.pipeline.progress import Progress

BAR_WIDTH = 24


def is_drawn(stream: TextIO) -> bool:
    """Whether there is a terminal that can be drawn on, and lines are for people."""
    if is_json() or not stream.isatty():
        return False
    from rich.console import Console

    return not Console(file=stream).is_dumb_terminal


@contextmanager
def screen(stream: TextIO) -> Iterator[Callable[["RenderableType"], None]]:
    """Yield what draws; nothing is left of it when the block ends."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    # Stdout is left alone: while Ray runs it leads nowhere, and results go there.
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
    with live:
        yield lambda shown: live.update(shown, refresh=True)


def plain(text: str) -> "RenderableType":
    """A line of text as it stands, square brackets included."""
    from rich.text import Text

    return Text(text)


def view(progress: "Progress") -> "RenderableType":
    """A bar and how much is done; below it the pace, the errors and the replicas."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = ProgressBar(total=max(1, progress.extent.total), completed=progress.done, width=BAR_WIDTH)
    first = Table.grid(padding=(0, 1))
    first.add_row(bar, Text(" · ".join([progress.share(), progress.time_left()])))
    errors = Text(f"errors {progress.counts.errors:,}")
    if progress.counts.errors:
        errors.stylize("bold red")
    second = Text(" · ").join([*map(Text, progress.pace()), errors, Text(progress.replicas())])
    whole = Table.grid()
    whole.add_row(first)
    whole.add_row(second)
    return whole
