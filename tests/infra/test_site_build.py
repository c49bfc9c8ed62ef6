"""The site is built strictly, from what the repository says today; its links are sound."""

import importlib
import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from compressor.cli import Job, job_names
from compressor.schema import describe
from tests.pages import DOCS, PAGES, SITE

pytest.importorskip("material", reason="the extra `docs` is not installed")

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, PluginError

HOSTS = {"localhost", "host", "head"}  # of examples


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(SITE / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", SITE / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Words(HTMLParser):
    """Text of a page, and the addresses of what a browser would fetch for it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.text, self.fetched = "", list[str]()
        self.feed(page.read_text("utf-8"))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "img", "iframe"} and given.get("src"):
            self.fetched.append(str(given["src"]))
        if tag == "link" and given.get("rel") in {"stylesheet", "preconnect"}:
            self.fetched.append(str(given["href"]))


def test_every_key_of_every_job_is_on_the_configuration_page(site: Path) -> None:
    text = Words(site / "configuration" / "index.html").text
    for job in job_names():
        command = importlib.import_module(f"jobs.{job}").main
        for key, _, help_text in describe(command.schema) if isinstance(command, Job) else ():
            assert key in text
            assert help_text.replace("`", "") in text, key


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        assert [url for url in Words(page).fetched if urlsplit(url).netloc] == [], page


def test_nothing_is_left_to_include(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "<!-- include" not in page.read_text("utf-8"), page
    assert "727,000" not in Words(site / "concepts" / "index.html").text
    assert "Does the answer survive?" in Words(site / "measured" / "index.html").text


def test_links_to_other_sites_are_well_formed() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        for link in re.findall(r"\]\((\w+:[^)]*)\)", text):
            parts = urlsplit(link)
            assert parts.scheme == "https", (page, link)
            assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), (page, link)
        for host in re.findall(r"https?://([\w.-]+)", text):
            assert "." in host or host in HOSTS, (page, host)


def test_what_pages_link_to_exists(hooks: ModuleType) -> None:
    """As GitHub shows the pages; the build checks the site's own, generated headings too."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for link, anchor in re.findall(r"\]\(([^):#\s]*)#?([\w-]*)\)", text):
            target = page.parent / link if link else page
            assert target.exists(), (page, link)
            if anchor and target.name != "configuration.md":
                titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
                assert anchor in {hooks.slug(title) for title in titles}, (page, link, anchor)


@pytest.mark.parametrize(
    "wrong",
    [
        "[a](missing.md)",
        "[a](concepts.md#no-such-heading)",
        "<!-- include: README.md#no-such-heading -->",
        "<!-- include: NO-SUCH-FILE.md -->",
        "[a](../../../no/such/file.py)",
    ],
)
def test_what_is_wrong_ends_the_build(wrong: str, tmp_path: Path) -> None:
    """A site of one page and the real hook, for speed."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Home\n\n{wrong}\n", encoding="utf-8")
    (docs / "concepts.md").write_text("# Concepts\n", encoding="utf-8")
    config = load_config(
        str(SITE / "mkdocs.yml"),
        site_dir=str(tmp_path / "site"),
        docs_dir=str(docs),
        nav=[{"Home": "index.md"}, {"Concepts": "concepts.md"}],
        plugins=[],
        strict=True,
    )
    with pytest.raises((Abort, PluginError)):
        build(config)


def test_a_section_ends_at_the_next_of_its_level(hooks: ModuleType) -> None:
    one = "```sh\n# no heading\n```\n\n### In\n\ny"
    text = f"---\na: b\n---\n# T\n\nx\n\n## One: a_b\n\n{one}\n\n## Two\nz\n"
    assert hooks.section(text, "one-a_b") == (2, one)
    assert hooks.section(text, "two") == (2, "z")
    level, whole = hooks.section(text, None)
    assert level == 1
    assert whole.startswith("x\n")
    assert whole.endswith("z")


def test_links_become_those_of_the_page(hooks: ModuleType) -> None:
    def linked(text: str, file: str) -> str:
        page = "infra/site/docs/cookbook/storage.md"
        return str(hooks._linked(text, file, page))

    assert linked("[a](infra/README.md#costs)", "README.md") == "[a](../operations.md#costs)"
    assert linked("see [`configs/`](configs).", "README.md") == "see `configs/`."
    assert linked("[x](https://example.com/)", "README.md") == "[x](https://example.com/)"
    assert linked("[x](../README.md)", "infra/README.md") == "[x](../index.md)"
    assert linked("[x](#here)", "README.md") == "[x](#here)"


def test_the_pages_are_those_of_the_navigation() -> None:
    config = load_config(str(SITE / "mkdocs.yml"))
    listed = set(re.findall(r"[\w/-]+\.md", str(config["nav"])))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
