"""The committed chapters are what the present code gives, and the pipeline that says so can be trusted."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from counting.figures import style
from pipeline import chapters, notebooks, picture
from pipeline.__main__ import settle
from pipeline.differences import PIXEL_LEVELS, differences

CHAPTERS = chapters.in_order(notebooks.ROOT)
HINT = "run make book ACCEPT=1"


def committed(path: Path) -> NotebookNode:
    return notebooks.read(path)


def captioned_cells(notebook: NotebookNode) -> list[tuple[str, NotebookNode]]:
    """The code cells that show an image or a table, with how the name of such an output begins."""
    cells = []
    for cell in notebooks.code_cells(notebook):
        data = [output.get("data", {}) for output in cell.outputs]
        if any(kind.startswith("image/") for kinds in data for kind in kinds):
            cells.append(("fig-", cell))
        elif any("<table" in kinds.get("text/html", "") for kinds in data):
            cells.append(("tbl-", cell))
    return cells


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestCommittedChapter:
    def test_was_computed_by_the_present_code(self, path: Path) -> None:
        notebook = committed(path)
        assert notebooks.STAMP in notebook.metadata, f"{path.name} was never executed: {HINT}"
        stamp = notebook.metadata[notebooks.STAMP]
        now = notebooks.stamp_now(notebook, notebooks.known_parameters(path))
        stale = [key for key in now if stamp.get(key) != now[key]]
        assert not stale, f"{path.name} shows outputs of another state of its {', '.join(stale)}: {HINT}"

    def test_is_in_normal_form(self, path: Path) -> None:
        normal = nbformat.writes(notebooks.normalize(committed(path))) + "\n"
        assert path.read_text(encoding="utf-8") == normal, f"{path.name} is not normalized: {HINT}"

    def test_shows_no_error_and_no_warning(self, path: Path) -> None:
        for cell in notebooks.code_cells(committed(path)):
            for output in cell.outputs:
                assert output.output_type != "error", f"{path.name}: {cell.source}"
                assert output.get("name") != "stderr", f"{path.name} prints to stderr: {output.text}"

    def test_has_parameters_and_none_injected(self, path: Path) -> None:
        assert notebooks.known_parameters(path), f"{path.name} has no cell tagged `parameters` that sets one"
        assert not any(notebooks.INJECTED in notebooks.tags(cell) for cell in committed(path).cells)

    def test_figures_and_tables_have_name_caption_and_alt_text(self, path: Path) -> None:
        for prefix, cell in captioned_cells(committed(path)):
            told = cell.metadata.get("mystnb", {})
            figure, image = told.get("figure", {}), told.get("image", {})
            where = f"{path.name}: {cell.source}"
            assert figure.get("name", "").startswith(prefix), f"no name `{prefix}…` in {where}"
            assert figure.get("caption"), f"no caption in {where}"
            assert prefix == "tbl-" or image.get("alt"), f"no alt text in {where}"


def test_names_of_figures_and_tables_are_unique() -> None:
    cells = [cell for path in CHAPTERS for _, cell in captioned_cells(committed(path))]
    names = [cell.metadata["mystnb"]["figure"]["name"] for cell in cells]
    assert len(names) == len(set(names))


def save(folder: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    """A small notebook: a parameters cell, then these code cells, the last one with these tags."""
    cells = [new_markdown_cell("# A page"), new_code_cell("runs = 3", metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    cells[-1].metadata.setdefault("tags", list(tags))
    path = folder / "chapter.ipynb"
    notebooks.write(notebooks.normalize(new_notebook(cells=cells)), path)
    return path


def shown(cell: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


class TestAnotherUsersSettings:
    """Whatever else is installed and set, the kernel is this Python with this library, and draws as the book does."""

    def test_the_kernel_is_this_python_with_this_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        foreign = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
        foreign.parent.mkdir(parents=True)
        foreign.write_text('{"argv": ["false"], "display_name": "Python 3", "language": "python"}')
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
        monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
        other = tmp_path / "other" / "counting" / "__init__.py"
        other.parent.mkdir(parents=True)
        other.write_text("raise ImportError('not this one')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
        executed = chapters.run(save(tmp_path, "import sys, counting\nprint(sys.executable, counting.__file__)"))
        assert shown(executed.cells[-1]).split() == [sys.executable, str(notebooks.ROOT / "counting" / "__init__.py")]

    def test_settings_of_matplotlib_ipython_and_python_do_not_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = tmp_path / "ipython" / "profile_default" / "startup" / "first.py"
        start.parent.mkdir(parents=True)
        start.write_text("runs_at_start = 1")
        (start.parent.parent / "ipython_kernel_config.py").write_text("c.InlineBackend.figure_formats = {'svg'}")
        (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7")
        for name, value in {
            "IPYTHONDIR": tmp_path / "ipython", "MATPLOTLIBRC": tmp_path, "MPLBACKEND": "TkAgg",
            "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, str(value))
        executed = chapters.run(save(
            tmp_path,
            "import warnings, matplotlib.pyplot as plt\nwarnings.warn('seen', stacklevel=1)\n"
            "print(__debug__, 'runs_at_start' in globals(), plt.rcParams['lines.linewidth'])\nplt.plot([1, 2]);",
        ))  # fmt: skip
        assert "True False 1.5\n" in shown(executed.cells[-1])  # the warning comes before or after it
        kinds = [kind for output in executed.cells[-1].outputs for kind in output.get("data", {})]
        assert kinds == ["image/png", "text/plain"]


class TestRunning:
    def test_twice_gives_the_same_bytes_and_leaves_the_file_alone(self, tmp_path: Path) -> None:
        path = save(tmp_path, "import os\nprint(runs, os.listdir())")
        before = path.read_bytes()
        first, second = chapters.run(path), chapters.run(path)
        assert nbformat.writes(first) == nbformat.writes(second)
        assert shown(first.cells[-1]) == "3 []\n"
        assert first.metadata[notebooks.STAMP]["parameters"] == {"runs": "3"}
        assert path.read_bytes() == before

    def test_a_parameter_is_injected_under_a_fixed_id_and_hidden(self, tmp_path: Path) -> None:
        executed = chapters.run(save(tmp_path, "print(runs)"), {"runs": 20})
        injected = executed.cells[2]
        assert injected["id"] == notebooks.INJECTED
        assert notebooks.tags(injected) == [notebooks.INJECTED, "remove-cell"]
        assert shown(executed.cells[-1]) == "20\n"
        assert executed.metadata[notebooks.STAMP]["parameters"] == {"runs": "20"}

    def test_an_unknown_parameter_is_an_error_that_lists_the_known(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"'run'.*\n.*chapter\.ipynb: runs"):
            chapters.run(save(tmp_path), {"run": 20})

    def test_a_parameter_goes_to_the_chapters_that_know_it(self, tmp_path: Path) -> None:
        one = save(tmp_path / "one")
        other = tmp_path / "other.ipynb"
        seed = new_code_cell("seed = 0", metadata={"tags": ["parameters"]})
        notebooks.write(notebooks.normalize(new_notebook(cells=[seed])), other)
        assert chapters.choose({"runs": 5}, [one, other]) == {one: {"runs": 5}, other: {}}

    @pytest.mark.parametrize(("source", "said"), [
        ("1 / 0", r"chapter\.ipynb, cell 3: ZeroDivisionError[\s\S]*1 / 0"),
        ("import time; time.sleep(60)", r"chapter\.ipynb[\s\S]*time"),
        ("import os; os._exit(1)", r"chapter\.ipynb, cell 3:\n.*_exit[\s\S]*died"),
    ], ids=["error", "time-out", "dead kernel"])
    def test_a_failing_cell_is_told_and_leaves_the_file_alone(
        self, tmp_path: Path, source: str, said: str
    ) -> None:
        path = save(tmp_path, source)
        before = path.read_bytes()
        with pytest.raises(chapters.ChapterFailed, match=said):
            chapters.run(path, timeout=3)
        assert path.read_bytes() == before

    def test_an_interrupt_leaves_the_file_alone(self, tmp_path: Path) -> None:
        started = tmp_path / "started"
        path = save(tmp_path, f"open({str(started)!r}, 'w').close()\nimport time; time.sleep(60)")
        before = path.read_bytes()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "--accept", path], cwd=notebooks.ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 30
            while not started.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
            _, said = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 130 and "Interrupted" in said
        assert path.read_bytes() == before
        assert {file.name for file in tmp_path.iterdir()} == {"chapter.ipynb", "started"}


class TestNormalizing:
    def messy(self) -> NotebookNode:
        outputs = [
            new_output("stream", name="stdout", text="a"), new_output("stream", name="stdout", text="b"),
            new_output("execute_result", data={"text/plain": "7"}, execution_count=4),
        ]
        cell = new_code_cell("7", execution_count=4, outputs=outputs)
        cell.metadata.update(tags=[], papermill={"duration": 1.5}, execution={"iopub.execute_input": "now"})
        twin = new_code_cell("7")
        notebook = new_notebook(cells=[cell, twin])
        language = {"name": "python", "version": "3.11.7"}
        notebook.metadata.update(papermill={"start_time": "now"}, language_info=language)
        return notebook

    def test_drops_what_is_fleeting(self) -> None:
        normal = notebooks.normalize(self.messy())
        first, twin = normal.cells
        assert set(normal.metadata) == {"kernelspec", "language_info"} and first.metadata == {}
        assert first.execution_count is None and first.outputs[1].execution_count is None
        assert first.outputs[0].text == "ab"
        assert twin["id"] == f"{first['id']}-2"

    def test_twice_is_once_and_the_original_stays(self) -> None:
        notebook = self.messy()
        before = nbformat.writes(notebook)
        once = notebooks.normalize(notebook)
        assert notebooks.normalize(once) == once
        assert nbformat.writes(notebook) == before


def test_the_stamp_follows_code_and_what_it_imports_not_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(notebooks, "MODULES", (tmp_path,))
    notebook = notebooks.read(save(tmp_path, "import module\nprint(runs)"))
    first = notebooks.stamp_now(notebook, {})
    notebook.cells[0].source = "# Another title"
    notebook.cells[-1].source = "import module\n\n# how many\nprint(runs)"
    (tmp_path / "module.py").write_text("x = 1  # why\n")
    assert notebooks.stamp_now(notebook, {}) == first
    stamps = [first]
    for source in ("import module\nprint(2 * runs)", "import module\nprint(2 * runs);", "%time\nimport module"):
        notebook.cells[-1].source = source
        stamps.append(notebooks.stamp_now(notebook, {}))
    (tmp_path / "module.py").write_text("x = 2\n")
    stamps.append(notebooks.stamp_now(notebook, {}))
    assert len({stamp["code"] for stamp in stamps}) == len(stamps)
    notebook.cells[-1].source = "first"
    together = notebooks.stamp_now(notebook, {})
    assert notebooks.stamp_now(notebook, {"runs": "3"}) != together


def png(levels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


class TestComparing:
    def executed(
        self, *, tags: tuple[str, ...] = (), image: str | None = None, text: str = "0.25\n"
    ) -> NotebookNode:
        outputs = [new_output("stream", name="stdout", text=text)]
        if image:
            outputs.append(new_output("display_data", data={"image/png": image}))
        cell = new_code_cell("print(accuracy)", outputs=outputs, metadata={"tags": list(tags)})
        notebook = notebooks.normalize(new_notebook(cells=[new_markdown_cell("# A page"), cell]))
        notebook.metadata[notebooks.STAMP] = {"parameters": {}, "code": "b"}
        return notebook

    def test_equal_is_no_difference(self) -> None:
        assert differences(self.executed(), self.executed()) == []

    def test_a_changed_number_is_told_with_cell_and_both_values(self) -> None:
        (told,) = differences(self.executed(), self.executed(text="0.26\n"))
        assert told.startswith("cell 2 (print(accuracy)): output 1, stdout")
        assert "committed: 0.25" in told and "now:       0.26" in told

    def test_a_missing_output_and_an_old_stamp_are_told(self) -> None:
        old = self.executed()
        old.cells[1].outputs = []
        old.metadata[notebooks.STAMP]["code"] = "c"
        assert differences(old, self.executed()) == [
            "stamp: code was c, is b", "cell 2 (print(accuracy)): 0 outputs committed, 1 now",
        ]

    def test_a_cell_that_varies_is_left_out(self) -> None:
        varying = {"tags": (notebooks.VARIES,)}
        assert differences(self.executed(**varying), self.executed(**varying, text="12 s\n")) == []

    def test_figures_may_differ_by_rounding_only(self) -> None:
        levels = np.full((4, 5, 3), 100)
        near, far = levels.copy(), levels.copy()
        near[1, 2] += PIXEL_LEVELS
        far[1, 2, 0] += PIXEL_LEVELS + 1
        old = self.executed(image=png(levels))
        assert differences(old, self.executed(image=png(near))) == []
        (told,) = differences(old, self.executed(image=png(far)))
        assert "1 of 20 pixels differ" in told
        (told,) = differences(old, self.executed(image=png(levels[:3])))
        assert "5 × 4 pixels committed, 5 × 3 now" in told

    def test_a_figures_lines_are_not_compared_beside_its_pixels(self) -> None:
        old, new = (self.executed(image=png(np.full((4, 5, 3), 100))) for _ in range(2))
        new.cells[1].outputs[1].data[style.SVG] = "<svg/>"
        assert differences(old, new) == []

    def test_what_differs_is_written_only_where_it_is_accepted(self, tmp_path: Path) -> None:
        path = save(tmp_path)
        notebooks.write(self.executed(), path)
        before = path.read_bytes()
        new = self.executed(text="0.26\n")
        assert not settle(path, new, accept=False) and path.read_bytes() == before
        assert settle(path, new, accept=True) and notebooks.read(path) == new
        assert settle(path, new, accept=False)


class TestPicture:
    def test_the_readme_shows_the_first_pages_figure(self) -> None:
        assert picture.PICTURE.read_bytes() == picture.figure(picture.SOURCE, picture.FIGURE), HINT
        shown = picture.PICTURE.relative_to(notebooks.ROOT).as_posix()
        assert f"({shown})" in (notebooks.ROOT / "README.md").read_text(encoding="utf-8")

    def test_a_figure_that_is_not_there_is_named(self) -> None:
        with pytest.raises(ValueError, match="index.ipynb has no executed figure 'fig-lost'"):
            picture.figure(picture.SOURCE, "fig-lost")
