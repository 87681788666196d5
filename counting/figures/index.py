"""The picture on the first page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from counting.figures import style
from counting.statistics import mean_interval


def losing_count(lengths: np.ndarray, accuracy: Mapping[str, np.ndarray]) -> Figure:
    """Words right (%) against length: mean with its interval, best run. accuracy: cell -> (runs, lengths)."""
    figure, (ax,) = style.axes(height=3.6)
    ax.axhline(100, color=style.EXACT, linewidth=1, label="LSTM and ReLU by hand")
    for cell, values in accuracy.items():
        low, high = 100 * np.array([mean_interval(share) for share in values.T]).T
        color = style.COLORS[cell]
        ax.fill_between(lengths, low, high, color=color, alpha=0.2, linewidth=0)
        ax.plot(lengths, 100 * values.max(axis=0), color=color, linestyle=":", linewidth=1.2)
        look = {"linestyle": style.LINES[cell], "marker": style.MARKERS[cell], "markersize": 4}
        label = f"{style.CELL_NAMES[cell]}, {len(values)} trained"
        ax.plot(lengths, 100 * values.mean(axis=0), color=color, label=label, **look)
    style.training_limit(ax)
    ax.set(xscale="log", xlabel="length of the word (symbols)", ylabel="words right (%)", ylim=(-3, 106))
    ax.set_xticks([2, 10, 50, 200, 1000, 2000], ["2", "10", "50", "200", "1,000", "2,000"])
    ax.minorticks_off()
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, 0.93))
    return figure
