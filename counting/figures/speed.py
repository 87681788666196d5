"""Figures of the appendix on speed: from tables that were measured, see `counting.measurements`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from counting.figures import style

NANOSECONDS = "ns per symbol and run"


def contestants(training: pd.DataFrame) -> Figure:
    """Time of a symbol in one run for everyone who trained on one core, the fastest below.

    training: rows of one set of words, columns cell, what, cores and `NANOSECONDS`.
    """
    alone = training[training.cores == 1]
    times = alone.groupby(["what", "cell"])[NANOSECONDS].min().unstack()
    times = times.loc[times.min(axis=1).sort_values().index]
    figure, (ax,) = style.axes(height=0.7 + 0.45 * len(times))
    for cell in times.columns:
        look = style.look(cell, linestyle="none", markersize=8, label=style.CELL_NAMES[cell])
        ax.plot(times[cell], range(len(times)), **look)
    ax.set(xscale="log", xlabel="ns for a symbol in one run")
    ax.set_yticks(range(len(times)), times.index)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="lower right")
    return figure


def against_size(panels: dict[str, tuple[pd.Series, pd.Series]]) -> Figure:
    """Draw time against something that grows, a panel each: name of the axis -> (sizes, seconds), both logarithmic."""
    figure, axes = style.axes(rows=len(panels), height=2.4)
    for ax, (name, (sizes, seconds)) in zip(axes, panels.items(), strict=True):
        ax.plot(sizes, seconds, color=style.COLORS["lstm"], marker=style.MARKERS["lstm"])
        ax.set(xscale="log", yscale="log", xlabel=name, ylabel="seconds")
        ax.grid(alpha=0.3)
    return figure
