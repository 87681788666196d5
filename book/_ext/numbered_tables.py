"""Sphinx extension: a table that code has computed is numbered as a table.

MyST-NB can give any output of a cell a name and a caption, but then counts it as a figure. Outputs whose name
begins with `tbl-` become "Table 3.1" here, with `{numref}` and all.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

PREFIX = "tbl-"


class table_figure(nodes.figure):  # noqa: N801, docutils names its nodes so
    """A captioned box like a figure, in the count of the tables."""


class CountAsTable(SphinxTransform):
    """Turn figures named `tbl-…` into table figures, in place: references to them stay good."""

    default_priority = 500

    def apply(self, **_: object) -> None:
        """Change the class of each."""
        for figure in self.document.findall(nodes.figure):
            if any(name.startswith(PREFIX) for name in figure["names"]):
                figure.__class__ = table_figure


def _caption(node: nodes.Element) -> str:
    return next((child.astext() for child in node if isinstance(child, nodes.caption)), "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    as_figure = (lambda to, node: to.visit_figure(node), lambda to, node: to.depart_figure(node))
    app.add_enumerable_node(table_figure, "table", _caption, html=as_figure, latex=as_figure, text=as_figure)
    app.add_transform(CountAsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
