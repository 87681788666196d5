"""What the pages claim: of how many, to which depth, counted from where, multiplied by what, cited and explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import notebooks

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
PAGES = [*CHAPTERS, *sorted(BOOK.glob("*.md")), ROOT / "README.md"]

GLUED = re.compile(r"\{glue:text\}`(?:([^`:]*)::)?([^`:]*)(?::[^`]*)?`")
SHARE = re.compile(r"\{glue:text\}`[^`]*` %(?! (?:lower|higher))")
NUMBER = r"(?:\{glue:text\}`[^`]*`|[\d,]+|a hundred)"
WHOLE = re.compile(
    rf"\b(?:of|over|all|the|first|in|for)\s+(?:all\s+|the\s+|these\s+|those\s+|our\s+|same\s+|trained\s+)*{NUMBER}\s+(?!%|symbols)\w"
    rf"|{NUMBER}\s+(?:LSTMs|GRUs|ReLUs?|runs|networks|pairs|models|random words|words|validation words|trainings)\b"
    r"|\b(?:training symbols|median run|median LSTM|validation words)\b"
)


def prose(path: Path) -> str:
    """Markdown of a page, and its captions."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = notebooks.read(path).cells
    written = [cell.source for cell in cells if cell.cell_type == "markdown"]
    captions = [cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "") for cell in cells]
    return "\n\n".join([*written, *filter(None, captions)])


def paragraphs(path: Path) -> Iterator[str]:
    """Paragraphs, list items and rows of tables, each on one line."""
    for block in re.split(r"\n\s*\n|\n(?=\s*[-|\d]+[.|]? )", re.sub(r"```.*?```", "", prose(path), flags=re.DOTALL)):
        if not block.startswith("#"):
            yield " ".join(block.split())


def glued(path: Path) -> dict[str, str]:
    """The values that a chapter's committed outputs glue, as text."""
    prefix = "application/papermill.record/"
    return {
        output.metadata["scrapbook"]["name"]: "".join(
            output.data.get("text/plain") or output.data[prefix + "text/plain"]
        )
        for cell in notebooks.code_cells(notebooks.read(path))
        for output in cell.outputs
        if "scrapbook" in output.get("metadata", {})
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
class TestPage:
    def test_a_share_says_of_how_many(self, path: Path) -> None:
        bare = [text for text in paragraphs(path) if SHARE.search(text) and not WHOLE.search(text)]
        assert not bare, bare

    def test_any_length_says_to_which_depth(self, path: Path) -> None:
        endless = [
            text for text in paragraphs(path) if "any length" in text and not re.search(r"depth|2²⁴|2\^\{24\}", text)
        ]
        assert not endless, endless

    def test_where_gates_are_multiplied_so_is_the_candidate(self, path: Path) -> None:
        gates, factor = re.compile(r"\bgates?\b(?! temperature)"), re.compile(r"[Mm]ultipl|times ten|[Ss]harpen")
        both = [text for text in paragraphs(path) if gates.search(text) and factor.search(text)]
        silent = [text for text in both if "candidate" not in text]
        assert not silent, silent

    def test_spells_as_the_others_do(self, path: Path) -> None:
        text = re.sub(r"`[^`]*`", "", prose(path))
        assert not re.findall(
            r"\b(?:gr[a]y|color\w*|per cent|for ever|generalis\w*|initialis(?!ed for Dyck)\w*)\b", text
        )


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestChapter:
    def test_no_step_is_counted_from_one(self, path: Path) -> None:
        shown = [cell.source for cell in notebooks.code_cells(notebooks.read(path))]
        assert not [code for code in shown if re.search(r"(failing_step|first_failure\([^()]*\))\s*\+\s*1", code)]

    def test_glued_text_says_none_and_has_one_kind_of_range(self, path: Path) -> None:
        odd = {key: text for key, text in glued(path).items() if re.search(r" – |^'?0\.0+ % \(0\.0+ ", text)}
        assert not odd, odd


@pytest.mark.parametrize("path", [path for path in CHAPTERS if "06" <= path.stem < "index"], ids=lambda path: path.stem)
class TestLaterChapter:
    def test_three_exercises_have_an_answer_each_with_a_computed_number_in_it(self, path: Path) -> None:
        exercises = re.split(r"^\d\. ", prose(path).partition("## What to try\n")[2], flags=re.MULTILINE)[1:]
        answers = [re.search(r"\{dropdown\} Answer\n(.*?)\n\s*:::", text, re.DOTALL) for text in exercises]
        assert len(answers) >= 3
        assert all(answer and GLUED.search(answer[1]) for answer in answers)

    def test_a_number_stands_among_thirty_words_or_more(self, path: Path) -> None:
        unfolded = re.sub(r"^( *):{3,}\{dropdown\}.*?^\1:{3,}\s*?$", "", prose(path), flags=re.MULTILINE | re.DOTALL)
        assert len(unfolded.split()) >= 30 * len(GLUED.findall(unfolded))


def test_every_term_is_in_the_glossary() -> None:
    used = {
        (target or text).strip()
        for path in PAGES
        for text, target in re.findall(r"\{term\}`([^`<]*)(?:<([^>]*)>)?`", prose(path))
    }
    assert sorted({" ".join(term.split()) for term in used} - set(glossary())) == []


def test_every_source_is_cited() -> None:
    sources = re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    cited = {
        key for path in PAGES for keys in re.findall(r"\{cite:\w+\}`([^`]*)`", prose(path)) for key in keys.split(",")
    }
    assert sorted(set(sources) - cited) == []


def glossary() -> list[str]:
    """The terms that the glossary explains."""
    text = (BOOK / "glossary.md").read_text(encoding="utf-8")
    return re.findall(r"^(?!:::)(\S.*)\n  \S", text.partition(":::{glossary}")[2].partition("\n:::")[0], re.MULTILINE)


def test_every_term_of_the_glossary_is_met_on_a_page() -> None:
    terms = glossary()
    met = {
        " ".join((target or text).split())
        for path in CHAPTERS
        for text, target in re.findall(r"\{term\}`([^`<]*)(?:<([^>]*)>)?`", prose(path))
    }
    assert len(terms) > 30 and sorted(set(terms) - met) == []
