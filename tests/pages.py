"""Pages of documentation as data: their blocks of code, and the commands in these.

The README and the pages of the site are checked by the same rules: what stands in a block is right
for the command line and the schemas of today, and what needs nothing but this repository is run.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SITE = ROOT / "infra" / "site"
DOCS = SITE / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]

_LOCAL = {"compress", "estimate", "inspect", "refresh", "report", "sweep", "verify"}
_ELSEWHERE = ("://", "configs/", "cluster.address")
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code: its language, the file name above it, its text."""

    language: str
    title: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, in order; those of one language where it is named."""
    found = (Block(*match.groups("")) for match in _BLOCK.finditer(page.read_text("utf-8")))
    return [block for block in found if language in {None, block.language}]


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.lines]


def runs_here(line: str) -> bool:
    """Whether a command needs no bucket, cluster or server, and no more than the demo's corpus."""
    program, *arguments = shlex.split(line)
    elsewhere = any(mark in line for mark in _ELSEWHERE)
    return program == "compressor" and arguments[0] in _LOCAL and not elsewhere


def configurations(page: Path, folder: Path) -> None:
    """Write the YAML files that a page shows, under the names that it gives them."""
    for block in blocks(page, "yaml"):
        (folder / block.title).write_text(block.text, encoding="utf-8")


def name(page: Path) -> str:
    """For the ids of tests."""
    return page.relative_to(ROOT if page == README else DOCS).as_posix()
