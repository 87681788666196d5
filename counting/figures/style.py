"""How every figure of the book looks: one colour, line and marker for each cell, the same everywhere.

Colours are those of Okabe and Ito (2008), told apart by readers with any colour vision; lines and markers differ too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "relu": "ReLU"}
COLORS = {"lstm": "#0072B2", "gru": "#D55E00", "relu": "#009E73"}
MARKERS = {"lstm": "o", "gru": "s", "relu": "^"}
LINES = {"lstm": "-", "gru": "--", "relu": "-."}
EXACT = "#000000"
"""An exact counter."""
BASELINE = "#7F7F7F"
"""What needs no learning: the constant predictor, depth, limits."""
FAILURE = "#CC79A7"
"""Where a network is wrong."""

GATE_LOOKS = {
    "i": ("#E69F00", "--"),
    "f": ("#0072B2", "-"),
    "g": ("#555555", ":"),
    "o": ("#56B4E9", "-."),
    "r": ("#E69F00", "--"),
    "z": ("#D55E00", "-"),
    "n": ("#555555", ":"),
}
"""Gates and candidates; the lab's page draws them the same way."""

NARROW = 4.3
"""Width in inches of a figure that a phone shows whole: at 350 pixels 10 points, the smallest text, are 11 of them.
Its cell has the class `narrow` among its image's metadata."""

WIDTH = 6.0
"""Width of every other figure in inches. On a phone it scrolls in its box, so that its text is as large."""

TRAINING_LIMIT = 50
"""Longest training word: the dashed line of every plot over length."""

SVG = "image/x-book-svg"
"""MIME type of the second drawing that a notebook keeps of a figure, as lines; `book/_ext/lines.py` shows it."""

MAX_SVG = 200_000
"""Letters of the largest such drawing. A figure of more points is shown as pixels."""


class Drawn(Figure):
    """A figure that a notebook keeps twice: as pixels, which are compared and which GitHub shows, and as lines.

    GitHub's view of notebooks takes markers and text out of an SVG, so it gets a MIME type that only the pages know.
    """

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        text = io.StringIO()
        self.savefig(text, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
        short = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text.getvalue())  # 0.01 points
        return {SVG: short} if len(short) <= MAX_SVG else {}


def use() -> None:
    """Set the style for all figures that follow. Chapters call it once, in their first cell."""
    sns.set_theme(context="notebook", style="ticks", font="DejaVu Sans")
    plt.rcParams.update(
        {
            "figure.dpi": 200,  # two pixels for each of a plain screen
            "figure.facecolor": "white",
            "figure.labelsize": "medium",
            "savefig.dpi": 200,
            "savefig.pad_inches": 0.04,
            "savefig.facecolor": "white",
            "svg.hashsalt": "counting",
            "svg.fonttype": "none",  # text stays text
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "axes.labelsize": 10,
            "axes.titlesize": 10,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "legend.fontsize": 10,
            "legend.title_fontsize": 10,
            "legend.handlelength": 1.5,
            "legend.labelspacing": 0.3,
            "legend.frameon": False,
        }
    )


def axes(
    columns: int = 1, rows: int = 1, height: float = 3.2, width: float = NARROW, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure with rows × columns axes, as a flat list. width: of all; height: of one row, in inches."""
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, height * rows), squeeze=False, layout="constrained", FigureClass=Drawn, **options
    )
    return figure, list(grid.flat)


def training_limit(ax: Axes) -> None:
    """Draw the dashed line at the longest training word."""
    label = f"longest training word ({TRAINING_LIMIT})"
    ax.axvline(TRAINING_LIMIT, color=BASELINE, linestyle="--", linewidth=1, label=label)


def look(cell: str, **more: Any) -> dict[str, Any]:
    """Give a cell's colour, marker and line for what draws it, and what is asked for besides."""
    return {"color": COLORS[cell], "marker": MARKERS[cell], "linestyle": LINES[cell], **more}


def band(ax: Axes, x: ArrayLike, curve: Iterable[ArrayLike], alpha: float = 0.15, **look: Any) -> None:
    """Draw a line, and around it a band. curve: the band's lower end, the line, the band's upper end."""
    low, middle, high = map(np.asarray, curve)
    ax.fill_between(np.asarray(x), low, high, color=look["color"], alpha=alpha, linewidth=0)
    ax.plot(x, middle, **look)


def spread(ax: Axes, x: ArrayLike, values: np.ndarray, tail: float, alpha: float = 0.15, **look: Any) -> None:
    """Draw the median over runs, and a band that leaves out a share `tail` at each end. values: (runs, len(x))."""
    band(ax, x, np.nanquantile(values, [tail, 0.5, 1 - tail], axis=0), alpha, **look)


def legend_above(figure: Figure, ax: Axes, ncols: int = 1, **more: Any) -> None:
    """Put the legend of one of a figure's axes above all of them."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=ncols, **more)
