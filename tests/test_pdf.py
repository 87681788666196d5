"""The book as a PDF, where `make pdf` has made one."""

from __future__ import annotations

import pytest
import yaml
from bs4 import BeautifulSoup
from pypdf import PdfReader

from pipeline import chapters, pdf

pytestmark = pytest.mark.skipif(not pdf.PDF.exists(), reason="no PDF in _build/pdf: run `make pdf` first")


@pytest.fixture(scope="module")
def book() -> PdfReader:
    return PdfReader(pdf.PDF)


@pytest.fixture(scope="module")
def text(book: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in book.pages).split())


def test_it_is_a_whole_book_without_a_traceback(book: PdfReader, text: str) -> None:
    assert len(book.pages) > 50
    assert "Traceback (most recent call last)" not in text


def test_every_chapter_is_in_it(text: str) -> None:
    for path in pdf.rendered_pages(pdf.HTML):
        heading = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").h1
        for link in heading.select(".headerlink"):
            link.decompose()
        assert " ".join(heading.get_text().split()) in text, path.name
    assert yaml.safe_load((pdf.ROOT / "_config.yml").read_text(encoding="utf-8"))["title"] in text


def test_links_inside_it_lead_somewhere(book: PdfReader) -> None:
    places = book.named_destinations
    links = [note.get_object() for page in book.pages for note in page.get("/Annots", [])]
    inside = {str(link["/Dest"]) for link in links if "/Dest" in link}
    assert len(inside) > len(chapters.pages(pdf.ROOT))
    assert {target for target in inside if target.startswith("/") and target not in places} == set()
