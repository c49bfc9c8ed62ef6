"""Records on a terminal, or as plain text where there is none or no colours are wanted."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from compressor.report.strike import Record, plain, styled, visible


def show(records: Sequence[Record], console: Console | None = None, *, both: bool = False) -> None:
    """Print the records; struck through on a terminal, [-so-] in a pipe and with NO_COLOR.

    `both` prints the compressed text by itself below each.
    """
    console = console or Console(file=sys.stdout, highlight=False)
    styles = console.is_terminal and not console.no_color and not console.is_dumb_terminal
    for record in records:
        _show_styled(record, console, both) if styles else _show_plain(record, console, both)


def _show_styled(record: Record, console: Console, both: bool) -> None:
    head = Text.assemble((visible(record.label), "bold"), f"  {record.counts}")
    console.print(Rule(head, align="left", style="dim", characters="─"))
    console.print(styled(record))
    if record.note:
        console.print(Text(f"({visible(record.note)})", "italic"))
    if both and record.compressed is not None:
        console.print(Rule("compressed", align="left", style="dim", characters="─"))
        console.print(Text(visible(record.compressed)))
    console.print()


def _show_plain(record: Record, console: Console, both: bool) -> None:
    lines = [f"--- {visible(record.label)}  {record.counts}", plain(record)]
    if record.note:
        lines.append(f"({visible(record.note)})")
    if both and record.compressed is not None:
        lines += ["--- compressed", visible(record.compressed)]
    console.file.write("\n".join(lines) + "\n\n")
