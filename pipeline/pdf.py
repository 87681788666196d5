"""The whole book as one PDF, behind `make pdf`: the rendered pages in one, printed by Chromium.

The pages are taken as they are in `_build/html`, so numbers, figures and references are those of the pages. What is
particular to paper stands in `book/_static/print.css`, which also serves readers who print one page.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from pipeline import browser, chapters
from pipeline.notebooks import ROOT

HTML = ROOT / "_build" / "html"
PDF = ROOT / "_build" / "pdf" / "counting-in-recurrent-networks.pdf"

# Of no use on paper: what is clicked, code that the page itself hides, a list of chapters beside the contents.
LEFT_OUT = ".headerlink, details.above-input, .toctree-wrapper, #searchbox, script, style, button"

PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{title}</title>{head}<style>{running_heads}</style></head>
<body><div class="bd-main"><main class="bd-content"><div class="bd-article-container">
<section class="title-page"><p class="title">{title}</p><p>{author}</p><p>{copyright}</p></section>
<section class="contents bd-article"><h1>Contents</h1><ol>{contents}</ol></section>
{articles}
</div></main></div></body></html>"""


def main() -> int:
    """Print what `_build/html` holds; exit code 1, and a sentence that says why, where that is not possible."""
    try:
        pages = rendered_pages(HTML)
        PDF.parent.mkdir(parents=True, exist_ok=True)
        count = print_book(pages, PDF)
    except (FileNotFoundError, browser.NoBrowser) as error:
        print(f"No PDF: {error}", file=sys.stderr)
        return 1
    print(f"{count} pages, {PDF.stat().st_size / 1e6:.1f} MB: {PDF.relative_to(ROOT)}")
    return 0


def rendered_pages(html: Path) -> list[Path]:
    """Return the book's pages under `html` in reading order; raises FileNotFoundError if one is not there."""
    paths = [html / f"{name}.html" for name in chapters.pages(ROOT)]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: render the book first, `make book` or `jb build .`")
    return paths


def print_book(pages: list[Path], target: Path) -> int:
    """Write these rendered pages as one PDF to `target`; the number of its sheets.

    It is printed twice: only the first print tells on which sheet each chapter begins.
    """
    with sync_playwright() as playwright:
        chromium = browser.launch(playwright)
        source = target.with_suffix(".html")
        page = chromium.new_page()
        numbers: dict[str, int] = {}
        for _ in range(2):
            source.write_text(single_page(pages, numbers), encoding="utf-8")
            page.goto(source.as_uri(), wait_until="load")
            browser.wait_for_mathematics(page)
            page.pdf(path=target, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
            reader = PdfReader(target)
            places = reader.named_destinations
            numbers = {path.stem: reader.get_destination_page_number(places[f"/{path.stem}"]) + 1 for path in pages}
        chromium.close()
    return len(reader.pages)


def single_page(pages: list[Path], numbers: dict[str, int]) -> str:
    """One HTML document of all `pages`; `numbers` are the sheets for its contents, empty as long as unknown."""
    book = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    soups = [BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in pages]
    names = {path.resolve(): path.stem for path in pages}
    articles = [_article(soup, path, names) for soup, path in zip(soups, pages, strict=True)]
    titles = [" ".join(article.h1.get_text().split()) for article in articles]
    contents = (
        f'<li><a href="#{path.stem}">{escape(title)}</a><span>{numbers.get(path.stem, "")}</span></li>'
        for path, title in zip(pages, titles, strict=True)
    )
    return PAGE.format(
        title=escape(book["title"]), author=escape(book["author"]), copyright=escape(book["copyright"]),
        head=_head(soups[0], pages[0].parent),
        running_heads="".join(map(_running_head, pages, titles)),
        contents="".join(contents), articles="".join(map(str, articles)),
    )


def _head(soup: BeautifulSoup, folder: Path) -> str:
    """Return the style sheets and MathJax, as a page in `folder` has them, found from anywhere."""
    wanted = [*soup.select("head link[rel=stylesheet]"), *soup.select("head script")]
    wanted = [tag for tag in wanted if tag.name == "link" or "mathjax" in str(tag).lower()]
    for tag in wanted:
        for key in ("href", "src"):
            if key in tag.attrs:
                tag[key] = _file(folder, tag[key]).as_uri()
    return "".join(map(str, wanted))


def _running_head(path: Path, title: str) -> str:
    text = title.replace("\\", "").replace('"', "")
    name = f"page-{path.stem}"
    return f'[id="{path.stem}"] {{ page: {name} }} @page {name} {{ @top-right {{ content: "{text}" }} }}'


def _article(soup: BeautifulSoup, path: Path, names: Mapping[Path, str]) -> Tag:
    """Return the text of the page at `path`, its links and images fit to stand in one document with the other pages.

    Pages may use the same ids, so each id is preceded by the page's name: `what-was-found` of chapter 1 becomes
    `01-setup.what-was-found`.
    """
    article = soup.select_one("article.bd-article")
    for tag in article.select(LEFT_OUT):
        tag.decompose()
    for tag in article.select("noscript"):  # what stands for an interactive part where nothing can be clicked
        tag.unwrap()
    for tag in article.select("details"):  # nothing can be unfolded on paper: proofs and answers are open
        tag["open"] = ""
    for tag in article.select("[id]"):
        tag["id"] = f"{path.stem}.{tag['id']}"
    for image in article.select("img[src]"):
        image["src"] = _file(path.parent, image["src"]).as_uri()
        image.attrs.pop("loading", None)
    for link in article.select("a[href]"):
        _relink(link, path, names)
    article["id"] = path.stem
    return article


def _relink(link: Tag, path: Path, names: Mapping[Path, str]) -> None:
    """Turn a link between pages into one inside the document; a link to a file of the folder becomes plain text."""
    parts = urlsplit(link["href"])
    if parts.scheme:
        return
    target = _file(path.parent, parts.path) if parts.path else path.resolve()
    if target in names:
        link["href"] = "#" + names[target] + (f".{unquote(parts.fragment)}" if parts.fragment else "")
    else:
        link.unwrap()


def _file(folder: Path, address: str) -> Path:
    return (folder / unquote(urlsplit(address).path)).resolve()


if __name__ == "__main__":
    sys.exit(main())
