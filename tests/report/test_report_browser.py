"""The report in a real browser: no error, working filters, light, dark, narrow and printed.

Wants the extra `slow` (playwright drives it) and a Chromium or Chrome on the PATH.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from compressor.corpus.storage import Storage
from compressor.report.write import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="the extra `slow` isn't installed")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser on the PATH: {', '.join(NAMES)}"),
]
WIDE, NARROW = (1180, 900), (360, 800)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # Where tests run as root, in a container, Chromium's own sandbox can't start.
        chromium = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(
    done: Path, settings: list[str], corpus: Path, compress: Callable[..., Any]
) -> list[Path]:
    """A report, and a comparison with another run."""
    compress(corpus, done.parent / "smaller", *settings, "compression.rate=0.3")
    target, other = (Storage.at(str(done.parent / name), key="x") for name in ("out", "smaller"))
    return [Path(write_report(target)), Path(write_report(target, against=other))]


@contextmanager
def opened(
    browser: Any, page: Path, size: tuple[int, int] = WIDE, scheme: str = "light"
) -> Iterator[Any]:
    """The page; what it logs, asks of the network or shows as a dialogue is an error."""
    wrong: list[str] = []
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True
    )
    tab = context.new_page()
    tab.on("console", lambda message: wrong.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    tab.on("dialog", lambda dialog: wrong.append(f"dialogue: {dialog.message}") or dialog.dismiss())
    tab.on(
        "request",
        lambda request: (
            wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None
        ),
    )
    tab.goto(page.as_uri())
    yield tab
    context.close()
    assert wrong == []


def lightness(tab: Any) -> float:
    """The mean of a screenshot, 0 to 255."""
    from PIL import Image, ImageStat

    picture = Image.open(io.BytesIO(tab.screenshot())).convert("L")
    assert ImageStat.Stat(picture).stddev[0] > 5  # there is something on it
    return float(ImageStat.Stat(picture).mean[0])


def test_the_filters_work(browser: Any, pages: list[Path]) -> None:
    with opened(browser, pages[0]) as tab:
        articles = tab.locator("#examples article")
        visible = tab.locator("#examples article:visible")
        assert tab.locator(".controls").is_visible()
        everything = articles.count()
        assert visible.count() == everything > 40

        tab.fill("#words", "ALERT")
        assert visible.count() >= 1
        assert all("alert" in text.lower() for text in visible.all_text_contents())
        tab.fill("#words", "alert nosuchword")
        assert visible.count() == 0
        assert tab.locator("#told").text_content() == f"0 of {everything}"

        tab.fill("#words", "")
        tab.select_option("#kind", "error")
        assert visible.count() == tab.locator("article[data-kind=error]").count() > 0
        tab.fill("#words", "rate is")
        assert visible.count() == 1
        tab.select_option("#kind", "")
        tab.fill("#words", "")
        assert visible.count() == everything


def test_light_and_dark(browser: Any, pages: list[Path]) -> None:
    def bar(tab: Any) -> str:
        script = "getComputedStyle(document.querySelector('#rates svg path[style*=after]')).fill"
        return str(tab.evaluate(script))

    with opened(browser, pages[0]) as light, opened(browser, pages[0], scheme="dark") as dark:
        assert lightness(light) > 200
        assert lightness(dark) < 60
        assert bar(light) != bar(dark)
        assert not {bar(light), bar(dark)} & {"none", "rgb(0, 0, 0)"}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_nothing_is_cut_off(
    browser: Any, pages: list[Path], size: tuple[int, int], number: int
) -> None:
    """No sideways scrolling of the page; tables that are too wide scroll by themselves."""
    with opened(browser, pages[number], size) as tab:
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= size[0]
        sizes = tab.evaluate(
            "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(sizes) > 8  # readable


def test_it_prints_in_light_colours_without_controls(browser: Any, pages: list[Path]) -> None:
    with opened(browser, pages[0], scheme="dark") as tab:
        tab.emulate_media(media="print")
        assert not tab.locator(".controls").is_visible()
        assert not tab.locator("nav").is_visible()
        assert lightness(tab) > 200
        tab.set_viewport_size({"width": 794, "height": 1123})  # A4, which media queries go by
        tab.add_style_tag(content="body { width: 688px }")  # between its margins
        beyond = "[...document.querySelectorAll('.scroll')].map(t => t.scrollWidth - t.clientWidth)"
        assert max(tab.evaluate(beyond)) <= 0  # paper doesn't scroll
        assert tab.pdf().startswith(b"%PDF")


def test_it_works_without_scripts(browser: Any, pages: list[Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(pages[0].as_uri())
    assert not tab.locator(".controls").is_visible()
    assert tab.locator("#examples article").first.is_visible()
    context.close()


def test_the_headline_is_the_summary(browser: Any, pages: list[Path]) -> None:
    summary = json.loads((pages[0].parent / "summary.json").read_text())
    with opened(browser, pages[0]) as tab:
        head = tab.locator("h1").inner_text()
        assert f"{summary['original_tokens']:,} → {summary['compressed_tokens']:,} tokens" in head
