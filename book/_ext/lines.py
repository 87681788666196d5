"""Sphinx extension: pages show a figure as lines (SVG) where its notebook has them, and else as pixels.

Why a notebook keeps both is said at `counting.figures.style.Drawn`, which draws them.
"""

from __future__ import annotations

import json

from sphinx.application import Sphinx

KEPT_AS = "image/x-book-svg"  # `counting.figures.style.SVG`; a page is rendered without the library too


def _show_lines(app: Sphinx, page: str, source: list[str]) -> None:
    if not app.env.doc2path(page).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if KEPT_AS in data:
                data["image/svg+xml"] = data.pop(KEPT_AS)
    source[0] = json.dumps(notebook)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _show_lines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
