"""Every page of the built book in a real browser: on a desk and on a phone, with nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, ConsoleMessage, Page

from pipeline import chapters
from pipeline.browser import wait_for_mathematics

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
PAGES = sorted(path for path in HTML.glob("book/**/*.html"))
WIDTHS = (1440, 390)
MAX_BYTES = 3_000_000  # a page with its images; the scripts and fonts that all pages share are not counted
SMALLEST = 11  # pixels: the smallest text in a figure, on a phone too
SMALLEST_POINTS = 10  # the same text as `counting.figures.style` draws it
DOTS, SVG_DOTS = 200, 96  # pixels an inch, in a PNG and in an SVG
MAX_WORDS = 15_000  # of the chapters, without appendices, captions and what is folded
WORDS_A_VALUE = 50  # at least so many for each computed number, over the whole book

pytestmark = [
    pytest.mark.skipif(not PAGES, reason="no pages in _build/html: run `make book` first"),
    # The driver leaves its event loop's sockets to the garbage collector when it stops.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# What sticks out on the right, unless a box around it scrolls or clips, or it is the drawer that waits outside.
STICKING_OUT = """() => {
  const contained = element => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible") return true;
    return false;
  };
  return [...document.querySelectorAll("main *")]
    .filter(e => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > innerWidth + 1)
    .filter(e => !contained(e) && !e.closest("#pst-secondary-sidebar"))
    .map(e => e.outerHTML.slice(0, 120));
}"""

# The text of the page without code and without what MathJax has drawn.
PROSE = """() => {
  const copy = document.querySelector("main").cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, mjx-container").forEach(e => e.remove());
  return copy.textContent;
}"""

UNDRAWN = """() => [...document.querySelectorAll(".math")]
  .filter(e => !e.querySelector("mjx-container")).map(e => e.textContent)"""

FINISH_TRANSITIONS = """() => document.getAnimations()
  .filter(animation => animation instanceof CSSTransition).forEach(animation => animation.finish())"""

IMAGES = """() => [...document.querySelectorAll("main img")].map(image => ({
  source: image.getAttribute("src"), alt: image.alt, loaded: image.complete && image.naturalWidth > 0,
  numbered: !image.closest(".cell_output") || !!image.closest("figure")?.querySelector(".caption-number"),
}))"""


# How large the smallest text of each figure is, in pixels: drawn at so many pixels an inch, shown at the image's width.
FIGURE_TEXT = f"""() => [...document.querySelectorAll(".cell_output figure img")]
  .map(image => [image.alt.slice(0, 60), {SMALLEST_POINTS} / 72 * (image.src.endsWith(".svg") ? {SVG_DOTS} : {DOTS})
    * image.clientWidth / image.naturalWidth])"""


def opened(browser: Browser, path: Path, width: int, faults: list[str]) -> Page:
    """The page, loaded, its mathematics drawn; `faults` collects what it asks for and complains about."""

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            faults.append(message.text)

    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("request", lambda asked: None if local(asked.url) else faults.append(f"asks for {asked.url}"))
    page.on("requestfailed", lambda request: faults.append(f"fails to load {request.url}"))
    page.on("console", heard)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri(), wait_until="load")
    wait_for_mathematics(page)
    return page


def local(url: str) -> bool:
    return url.startswith((HTML.as_uri(), "data:", "blob:", "about:"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_is_whole(browser: Browser, path: Path, width: int) -> None:
    faults: list[str] = []
    page = opened(browser, path, width, faults)
    try:
        assert faults == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == []

        assert page.locator("mjx-merror").count() == 0
        assert page.evaluate(UNDRAWN) == []
        prose = page.evaluate(PROSE)
        assert not re.findall(r"\\[(\[]|\\[a-zA-Z]{2,}|\$\$|\{(?:glue|numref|cite|eq|ref)[:}]", prose)
        assert "Traceback (most recent call last)" not in page.content()

        for image in page.evaluate(IMAGES):
            assert image["loaded"] and image["numbered"], image
            assert len(image["alt"]) >= 15 and "_images/" not in image["alt"], image
        assert [(alt, size) for alt, size in page.evaluate(FIGURE_TEXT) if size < SMALLEST] == []
        assert barriers(page) == []
        page.emulate_media(color_scheme="dark")  # the theme follows the system's choice
        page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        page.evaluate(FINISH_TRANSITIONS)  # halfway between two colors nothing can be read
        assert barriers(page, "color-contrast") == []
    finally:
        page.close()


def barriers(page: Page, *rules: str) -> list[tuple[str, list[str]]]:
    """What axe-core finds serious or critical: the rule and where, by all of its rules or by these."""
    options: dict[str, object] = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = Axe().run(page, options=options).response["violations"]
    return [(violation["id"], [node["html"][:120] for node in violation["nodes"]])
            for violation in found if violation["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_inside_the_book_lead_somewhere(browser: Browser, path: Path) -> None:
    page = opened(browser, path, WIDTHS[0], [])
    try:
        for link in page.evaluate("[...document.querySelectorAll('a[href]')].map(e => e.href)"):
            parts = urlsplit(link)
            if parts.scheme != "file":
                continue
            target = Path(unquote(parts.path))
            assert target.is_file(), link
            # With "=" it is no place on a page but a state of the counter lab.
            if parts.fragment and "=" not in parts.fragment and target.suffix == ".html":
                assert f'id="{unquote(parts.fragment)}"' in target.read_text(encoding="utf-8"), link
    finally:
        page.close()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_text_leads_to_every_figure_and_table_of_its_page(path: Path) -> None:
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article")
    numbered = {found["id"] for found in article.select("figure[id^=fig-], figure[id^=tbl-]")}
    reached = {link["href"].partition("#")[2] for page in PAGES for link in links_of(page)
               if "headerlink" not in link.get("class", [])}  # what a caption says of itself leads nowhere
    assert numbered <= reached, numbered - reached


@cache
def links_of(path: Path) -> list[Tag]:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select("article a[href]")


def test_previous_and_next_lead_through_the_book_in_order() -> None:
    order = [HTML / f"{name}.html" for name in chapters.pages(ROOT)]
    assert sorted(order) == PAGES
    for path, before, after in zip(order, [None, *order], [*order[1:], None], strict=False):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for kind, other in (("left-prev", before), ("right-next", after)):
            link = page.select_one(f"a.{kind}")
            assert (link and (path.parent / link["href"]).resolve()) == other, (path.name, kind)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_has_an_icon(path: Path) -> None:
    icon = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("head link[rel~=icon]")
    assert "<svg" in (path.parent / icon["href"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_with_its_images_is_light(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    images = {(path.parent / source).resolve() for source in re.findall(r'<img[^>]* src="([^":]+)"', text)}
    assert path.stat().st_size + sum(image.stat().st_size for image in images) < MAX_BYTES


def text_of(path: Path) -> tuple[str, int]:
    """What a page says, without code, formulas, tables, captions, folds; how many values in it are computed."""
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article")
    apart_from_prose = "pre, table, figcaption, details, .math, script, button, .toctree-wrapper, .headerlink"
    for apart in article.select(apart_from_prose):
        apart.decompose()
    return article.get_text(" "), len(article.select(".pasted-text"))


def test_the_chapters_are_short_and_have_more_words_than_numbers() -> None:
    chapters_only = [HTML / f"{name}.html" for name in chapters.pages(ROOT) if re.search(r"/(\d\d-|index)", name)]
    texts, values = zip(*map(text_of, chapters_only), strict=True)
    words = {path.stem: len(text.split()) for path, text in zip(chapters_only, texts, strict=True)}
    assert sum(words.values()) <= MAX_WORDS, words
    assert sum(words.values()) >= WORDS_A_VALUE * sum(values), dict(zip(words, values, strict=True))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_sentence_gives_an_interval_around_nothing(path: Path) -> None:
    text, _ = text_of(path)
    assert not re.findall(r"(?<![\d.])(?:0(?:\.0+)?|100(?:\.0+)?) % \((?:0(?:\.0+)?|100(?:\.0+)?) ", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_term_leads_to_the_glossary(path: Path) -> None:
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    # A term that the glossary does not have is left without a link.
    assert [term.get_text() for term in page.select(".std-term") if not term.find_parent("a")] == []


@pytest.fixture
def served() -> Iterator[str]:
    """The address of the pages on a static host: a browser takes a file's `download` attribute only from there."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=HTML)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_notebook_is_downloaded_as_a_notebook(browser: Browser, served: str) -> None:
    path = next(path for path in PAGES if (HTML / "_sources" / "book" / f"{path.stem}.ipynb").exists())
    page = browser.new_page()
    try:
        page.goto(f"{served}/book/{path.name}")
        with page.expect_download() as waiting:
            page.locator("a.btn-download-source-button").evaluate("link => link.click()")
        assert waiting.value.suggested_filename == f"{path.stem}.ipynb"
        assert nbformat.read(waiting.value.path(), as_version=4).cells
    finally:
        page.close()


@pytest.fixture
def lstm_page(browser: Browser) -> Iterator[Page]:
    """The chapter on the LSTM, on a phone of a reader who wants nothing to move by itself."""
    page = browser.new_page(viewport={"width": 390, "height": 900}, reduced_motion="reduce")
    page.goto((HTML / "book" / "05-lstm-saturation.html").as_uri())
    yield page
    page.close()


def test_a_figure_of_few_points_is_lines(lstm_page: Page) -> None:
    assert lstm_page.locator(".cell_output figure > img").first.get_attribute("src").endswith(".svg")


def test_a_figure_is_enlarged_by_tap_and_key_and_put_back(lstm_page: Page) -> None:
    image = lstm_page.locator(".cell_output figure > img").first
    large = lstm_page.locator("dialog.enlarged img")
    image.click()
    assert large.bounding_box()["width"] > 2 * image.bounding_box()["width"]
    assert barriers(lstm_page) == []
    lstm_page.keyboard.press("Escape")
    assert not large.is_visible()
    lstm_page.locator("button.enlarge").first.focus()
    lstm_page.keyboard.press("Enter")
    assert large.is_visible()
    large.click()
    assert not large.is_visible()


def test_a_state_slips_symbol_by_symbol_until_the_answer_is_wrong(lstm_page: Page) -> None:
    said = lstm_page.locator("#slip-lab output")
    assert said.text_content().startswith("step 56: depth 1, c = 0.3") and "wrong" in said.text_content()
    lstm_page.locator("#slip-lab input").focus()
    lstm_page.keyboard.press("Home")
    assert said.text_content().startswith("step 0: depth 1, c = 0.9") and "right" in said.text_content()
    assert lstm_page.locator("#slip-lab button").is_hidden()


def test_a_wide_table_says_that_it_scrolls_and_keeps_its_first_column(lstm_page: Page) -> None:
    lstm_page.goto((HTML / "book" / "02-training.html").as_uri())
    lstm_page.wait_for_selector(".scrolls table")
    box = lstm_page.locator(".scrolls:has(table)").first
    assert "scrolls" in box.evaluate("box => getComputedStyle(box, '::before').content")
    start = box.locator("tbody th").first.bounding_box()["x"]
    assert box.evaluate("box => (box.scrollLeft = 50)") == 50
    assert box.locator("tbody th").first.bounding_box()["x"] >= start - 15  # the padding of the box


def test_search_finds_a_word_of_the_book(browser: Browser) -> None:
    page = browser.new_page()
    try:
        page.goto(f"{(HTML / 'search.html').as_uri()}?q=brackets")
        page.wait_for_selector("#search-results li a", timeout=10_000)
    finally:
        page.close()


def test_the_root_page_leads_to_the_book_and_static_hosts_are_served() -> None:
    assert "book/index.html" in (HTML / "index.html").read_text(encoding="utf-8")
    assert (HTML / ".nojekyll").exists()
