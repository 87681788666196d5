"""Sphinx extension: the counter lab gets its networks and its static figure when the book is built.

What is written is decided in `counting.lab`; here it is only put where the page finds it. The scripts are loaded on
the lab's page alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst.directives.images import Figure
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / "counting").is_dir():
    sys.path.insert(0, str(ROOT))  # `jb build .` need not have the library installed

PAGE = "book/lab"
SCRIPTS = ("networks.js", "cells.js", "words.js", "plot.js", "lab.js")  # each uses those before it


class LabFigure(Figure):
    """`{lab-figure}`: a figure, drawn as the page is read. The controls of the lab take its picture's place."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        """Draw the picture, and give the figure with it."""
        app = self.state.document.settings.env.app
        picture = Path(app.doctreedir) / "lab" / "first-failure.svg"
        _draw(picture)
        # An image is named from the folder of the sources, wherever it lies.
        self.arguments = ["/" + Path(os.path.relpath(picture, app.srcdir)).as_posix()]
        return super().run()


def _draw(path: Path) -> None:
    import matplotlib.pyplot as plt

    from counting import lab
    from counting.figures import style
    from counting.figures.lab import first_failure

    style.use()
    figure = first_failure(*lab.first_shown())
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _add_scripts(app: Sphinx, page: str, _template: str, _context: dict, _doctree: nodes.document | None) -> None:
    if page == PAGE:
        app.add_css_file("lab/lab.css")
        for script in SCRIPTS:
            app.add_js_file(f"lab/{script}", loading_method="defer")


def _write_networks(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    from counting import lab

    target = Path(app.outdir) / "_static" / "lab" / SCRIPTS[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(lab.script(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("lab-figure", LabFigure)
    app.connect("html-page-context", _add_scripts)
    app.connect("build-finished", _write_networks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
