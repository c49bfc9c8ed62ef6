"""Records on a terminal, or as plain text where there is none or no colours are wanted."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from compressor.report.strike import Record, plain, styled, visible


def show(records: Sequence[Record], console: Console | None = None) -> None:
    """Print the records; struck through on a terminal, [-so-] in a pipe and with NO_COLOR."""
    console = console or Console(file=sys.stdout, highlight=False)
    styles = console.is_terminal and not console.no_color and not console.is_dumb_terminal
    for record in records:
        _show_styled(record, console) if styles else _show_plain(record, console)


def _show_styled(record: Record, console: Console) -> None:
    head = Text.assemble((visible(record.label), "bold"), f"  {record.counts}")
    console.print(Rule(head, align="left", style="dim", characters="─"))
    console.print(styled(record))
    if record.note:
        console.print(Text(f"({visible(record.note)})", "italic"))
    console.print()


def _show_plain(record: Record, console: Console) -> None:
    lines = [f"--- {visible(record.label)}  {record.counts}", plain(record)]
    if record.note:
        lines.append(f"({visible(record.note)})")
    console.file.write("\n".join(lines) + "\n\n")
