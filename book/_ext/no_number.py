"""Sphinx extension: a number that a chapter could not compute, NaN, is shown as a dash."""

from __future__ import annotations

from collections.abc import Callable

from myst_nb.core import variables
from myst_nb.ext.glue import crossref, roles
from sphinx.application import Sphinx

DASH = "–"


def dashed(format_plain_text: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """Format as before, but no NaN."""

    def formatted(text: str, fmt_spec: str) -> str:
        return DASH if text.strip("'\"") in ("nan", DASH) else format_plain_text(text, fmt_spec)

    return formatted


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace the function wherever it was imported."""
    formatted = dashed(variables.format_plain_text)
    for module in (variables, crossref, roles):
        module.format_plain_text = formatted
    return {"parallel_read_safe": True, "parallel_write_safe": True}
