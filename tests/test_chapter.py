"""Parameters of chapters: every one has its range, whatever does not fit is one sentence, whatever fits gives a page.

Every chapter at its smallest values and at drawn ones takes some minutes: `CHAPTERS_TRIED=3 pytest
tests/test_chapter.py` tries each at the smallest and at two drawn settings. By default the first chapter is
run at its smallest.
"""

from __future__ import annotations

import ast
import hashlib
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
from nbformat import NotebookNode
from test_claims import GLUED, glued, prose

from counting import chapter
from counting.chapter import PARAMETERS, Parameter, Real, Unfit, Whole
from pipeline import chapters, notebooks

PATHS = {path.stem: path for path in chapters.in_order(notebooks.ROOT)}
TRIED = int(os.environ.get("CHAPTERS_TRIED", "0"))
QUICKEST = ("01-setup",)


class TestTable:
    def test_has_every_chapter(self) -> None:
        assert set(PARAMETERS) == set(PATHS)

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_has_every_parameter_with_the_value_of_the_page(self, name: str) -> None:
        known = {key: ast.literal_eval(text) for key, text in notebooks.known_parameters(PATHS[name]).items()}
        assert known == {key: parameter.default for key, parameter in PARAMETERS[name].items()}
        assert chapter.problems(name, known) == []

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_is_asked_by_the_cell_below_the_parameters(self, name: str) -> None:
        cells = notebooks.read(PATHS[name]).cells
        (at,) = [n for n, cell in enumerate(cells) if "parameters" in notebooks.tags(cell)]
        assert f'chapter.check("{name}", globals())' in cells[at + 1].source


class TestValues:
    @pytest.mark.parametrize("value", [9, 10_001, "ten", 20.0, True, None, [20], float("nan"), np.float64(20)])
    def test_no_whole_number_of_the_range(self, value: object) -> None:
        (said,) = chapter.problems("index", {"runs": value})
        assert said == f"runs is {value!r}, and must be a whole number from 10 to 10,000 (networks of each cell)"

    @pytest.mark.parametrize("value", [10, 10_000, np.int64(20)])
    def test_a_whole_number_of_the_range(self, value: int) -> None:
        assert chapter.problems("index", {"runs": value}) == []

    @pytest.mark.parametrize("value", [0, -1.0, "one", True, float("nan"), float("inf"), 2e6])
    def test_no_step(self, value: object) -> None:
        (said,) = chapter.problems("01-setup", {"step": value})
        assert said.startswith(f"step is {value!r}, and must be a number above 0 and at most 1e+06")

    def test_no_choice(self) -> None:
        (said,) = chapter.problems("how-fast", {"words": "mine"})
        assert said.startswith("words is 'mine', and must be one of \"the paper's\", '30 symbols each'")

    def test_an_unknown_name(self) -> None:
        assert chapter.problems("index", {"sede": 1}) == ["index has no parameter 'sede'; it has runs, epochs, seed"]


class TestCheck:
    DEFAULTS = "runs = 100\nepochs = 30\nseed = 0"

    def namespace(self, *cells: str) -> dict[str, object]:
        """What a notebook's globals hold after these cells, as IPython keeps their sources."""
        namespace: dict[str, object] = {}
        for cell in cells:
            exec(cell, namespace)
        return namespace | {"In": ["", "import time", *cells, 'chapter.check("index", globals())', "runs = 'later'"]}

    def test_says_nothing_of_the_usual_values(self, capsys: pytest.CaptureFixture[str]) -> None:
        chapter.check("index", self.namespace(self.DEFAULTS))
        assert capsys.readouterr().out == ""

    def test_says_which_values_are_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown: list[str] = []
        monkeypatch.setattr(chapter, "display", lambda text: shown.append(text.data))
        chapter.check("index", self.namespace(self.DEFAULTS, "# Parameters\nruns = 12"))
        assert "runs = 12 (here usually 100)" in shown[0] and "carry no verdict" in shown[0]
        chapter.check("index", self.namespace(self.DEFAULTS, "# Parameters\nseed = 3"))
        assert "seed = 3 (here usually 0)" in shown[1] and "verdict" not in shown[1]

    @pytest.mark.parametrize("cells", [(DEFAULTS, "# Parameters\nsede = 1"), (DEFAULTS + "\nsede = 1",)])
    def test_refuses_a_name_that_papermill_or_the_reader_made_up(self, cells: tuple[str, ...]) -> None:
        with pytest.raises(Unfit, match="no parameter 'sede'"):
            chapter.check("index", self.namespace(*cells))

    def test_is_shown_as_one_sentence(self) -> None:
        with pytest.raises(Unfit) as caught:
            chapter.check("index", self.namespace(self.DEFAULTS, "# Parameters\nruns = 1\nepochs = 0"))
        (line,) = caught.value._render_traceback_()
        assert re.fullmatch(r"Unfit: runs is 1, .*; epochs is 0, .*", line)


def test_words_and_numbers() -> None:
    assert chapter.minus("-1 to -2") == "−1 to −2"
    assert chapter.power(0.00002) == "2·10⁻⁵" and chapter.power(1234.0, 1) == "1.2·10³"
    assert [chapter.told(k, 1000) for k in (0, 5, 1000)] == ["none", "5 of 1,000", "all 1,000"]
    assert [chapter.verdict(20, *parts) for parts in ((True, True), (True, False), (False,))] == [
        "holds", "holds in part", "does not hold",
    ]  # fmt: skip
    assert chapter.verdict(19, True) == "is not judged: too few networks"
    assert np.isnan(chapter.of_any(np.min, np.array([]))) and chapter.of_any(np.min, np.array([2, 1])) == 1


def test_needs_are_one_sentence() -> None:
    chapter.need(3, 3, "networks that validate")
    with pytest.raises(Unfit, match="needs networks that validate, at least 3, and there are 2: try more"):
        chapter.need(2, 3, "networks that validate")


def smallest(parameter: Parameter) -> object:
    if isinstance(parameter, Whole):
        return parameter.low
    return parameter.high if isinstance(parameter, Real) else parameter.among[-1]


def drawn(parameter: Parameter, source: random.Random) -> object:
    """A value not much above the smallest, so that the page is soon done."""
    if isinstance(parameter, Whole):
        return source.randint(parameter.low, min(parameter.high, 3 * parameter.low + 9))
    return round(source.uniform(0.01, 10), 3) if isinstance(parameter, Real) else source.choice(parameter.among)


def settings() -> list[tuple[str, dict[str, object]]]:
    """What is tried: name of a chapter, and its parameters."""
    tried = []
    for name, known in PARAMETERS.items():
        if TRIED or name in QUICKEST:
            tried.append((name, {key: smallest(parameter) for key, parameter in known.items()}))
        for number in range(TRIED - 1):
            source = random.Random(f"{name} {number}")
            tried.append((name, {key: drawn(parameter, source) for key, parameter in known.items()}))
    return tried


def state(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def texts(notebook: NotebookNode) -> list[str]:
    """All that the outputs say, tables included."""
    return [
        str(text)
        for cell in notebooks.code_cells(notebook)
        for output in cell.outputs
        for text in [output.get("text", ""), *output.get("data", {}).values()]
        if "image/png" not in output.get("data", {}) and "image/svg+xml" not in output.get("data", {})
    ]


def sentences(path: Path) -> str:
    """What the page says in prose and captions, glued values in place; NaN alone is a dash on it."""
    values = {key: re.sub("^nan$", chapter.DASH, text.strip("'")) for key, text in glued(path).items()}
    return GLUED.sub(lambda found: found[0] if found[1] else values[found[2]], prose(path))


NONSENSE = r"\b(?:nan|inf)\b|(?<=\w )None\b|\d of 0(?![\d.])|\b1 of 1 [a-zA-Z]|\bword of 0\b"


def nonsense(text: str) -> list[str]:
    """Each place that says it, with what stands around."""
    return [text[max(0, found.start() - 60) : found.end() + 60] for found in re.finditer(NONSENSE, text)]


@pytest.mark.parametrize(("name", "values"), settings(), ids=lambda part: part if isinstance(part, str) else "")
def test_a_chapter_runs_to_its_end_or_says_what_it_lacks(name: str, values: dict[str, object], tmp_path: Path) -> None:
    before = state(notebooks.ROOT / "results") | state(notebooks.ROOT / "book")
    try:
        executed = chapters.run(PATHS[name], values)
    except chapters.ChapterFailed as error:
        assert "Unfit: the page needs" in str(error)
        return
    finally:
        assert before == state(notebooks.ROOT / "results") | state(notebooks.ROOT / "book")
    assert "**A trial:**" in "".join(texts(executed))
    for cell in notebooks.code_cells(executed):
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell
    notebooks.write(executed, tmp_path / "page.ipynb")
    found = [text for text in texts(executed) if text.strip("'") != "nan"]
    assert [line for text in [*found, sentences(tmp_path / "page.ipynb")] for line in nonsense(text)] == []


def test_nonsense_is_seen() -> None:
    said = "of nan %", "0 of 0 runs", "1 of 1 is", "a word of 0 symbols", "the first None"
    assert [len(nonsense(text)) for text in said] == [1] * len(said)
    assert nonsense("1 of 10, 5 of 0.5, 1 of 1,000, a state of 0, information. None of") == []
