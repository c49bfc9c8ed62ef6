"""What MkDocs calls while it builds the site: text that stands elsewhere is taken from there.

`<!-- include: FILE -->` and `<!-- include: FILE#heading -->` become a file of the repository, or
one of its sections; `<!-- generated: configuration -->` becomes the keys of every job, from its
schema. So a figure, a command or a default stands in one place. Links to files that are not on the
site become their plain text, once it is clear that the file exists.
"""

import importlib.util
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCS = "infra/site/docs"
PAGE_OF = {  # files of the repository that the site has as pages
    "README.md": "index.md",
    "infra/README.md": "operations.md",
    "compressor/models/default/README.md": "model-card.md",
}

_INCLUDE = re.compile(r"^<!-- include: (\S+?)(?:#(\S+))? -->$", re.MULTILINE)
_GENERATED = "<!-- generated: configuration -->"
_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """The page's text with what it includes. Raises `PluginError`: the build ends."""
    source = f"{DOCS}/{page.file.src_uri}"
    text = _linked(markdown, source, source)
    text = _INCLUDE.sub(lambda match: _included(match, text, source), text)
    return text.replace(_GENERATED, _configuration()) if _GENERATED in text else text


def section(text: str, anchor: str | None) -> tuple[int, str]:
    """The level of a heading, and what stands below it up to the next of its level.

    Without an anchor: of the whole text, below its title. Raises `KeyError` for no such heading.
    """
    if text.startswith("---\n"):  # front matter
        text = text[text.index("\n---\n") + 5 :]
    lines = text.splitlines()
    headings = [(at, *found) for at, found in enumerate(map(_heading, _outside(lines))) if found]
    for at, level, title in headings:
        if anchor in (None, slug(title)):
            ends = (other for other, its, _ in headings if other > at and its <= level)
            return level, "\n".join(lines[at + 1 : next(ends, len(lines))]).strip()
    raise KeyError(anchor)


def slug(title: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _included(match: re.Match[str], page: str, source: str) -> str:
    file, anchor = match.groups()
    try:
        level, text = section((ROOT / file).read_text(encoding="utf-8"), anchor)
    except (OSError, KeyError) as error:
        raise PluginError(f"{source}: {match[0]}: no such file or heading ({error})") from None
    above = map(_heading, _outside(page[: match.start()].splitlines()))
    here = [found[0] for found in above if found]
    return _shifted(_linked(text, file, source), (here[-1] if here else 1) - level)


def _shifted(text: str, levels: int) -> str:
    """Headings so many levels deeper."""
    lines = text.splitlines()
    for at, line in enumerate(_outside(lines)):
        if found := _heading(line):
            lines[at] = "#" * (found[0] + levels) + f" {found[1]}"
    return "\n".join(lines)


def _linked(text: str, file: str, page: str) -> str:
    """Links of `file` as links of `page`."""

    def link(match: re.Match[str]) -> str:
        label, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
        if not (ROOT / path).exists():
            raise PluginError(f"{page}: {file} links to {path}, which isn't there")
        if path in PAGE_OF:
            path = f"{DOCS}/{PAGE_OF[path]}"
        if not path.startswith(f"{DOCS}/"):
            return str(label)
        path = posixpath.relpath(path, posixpath.dirname(page))
        return f"[{label}]({path}{'#' if anchor else ''}{anchor})"

    return _LINK.sub(link, text)


def _heading(line: str) -> tuple[int, str] | None:
    found = _HEADING.match(line)
    return (len(found[1]), found[2]) if found else None


def _outside(lines: list[str]) -> list[str]:
    """The lines with those of code blocks emptied: `# a comment` is no heading."""
    inside, kept = False, []
    for line in lines:
        fence = line.lstrip().startswith("```")
        kept.append("" if inside or fence else line)
        inside ^= fence
    return kept


def _configuration() -> str:
    """By path: MkDocs loads this file as a module of its own, without its folder."""
    spec = importlib.util.spec_from_file_location("configuration", HERE / "configuration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text: str = module.configuration()
    return text
