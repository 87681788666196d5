"""The picture on the first page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from counting.figures import style
from counting.statistics import over_runs


def losing_count(lengths: np.ndarray, accuracy: Mapping[str, np.ndarray]) -> Figure:
    """Words right (%) against length. accuracy: cell -> (runs, lengths), shares; mean, its interval, and best run."""
    figure, (ax,) = style.axes(height=3.6)
    ax.axhline(100, color=style.EXACT, linewidth=1, label="LSTM and ReLU by hand")
    for cell, values in accuracy.items():
        bands = [over_runs(lambda runs, share=share: share[runs].mean(axis=-1), len(share)) for share in values.T]
        low, high = 100 * np.array(bands).T
        color = style.COLORS[cell]
        ax.fill_between(lengths, low, high, color=color, alpha=0.2, linewidth=0)
        ax.plot(lengths, 100 * values.max(axis=0), color=color, linestyle=":", linewidth=1.2)
        ax.plot(lengths, 100 * values.mean(axis=0), style.LINES[cell], color=color, marker=style.MARKERS[cell],
                markersize=4, label=f"{style.CELL_NAMES[cell]}, {len(values)} trained")  # fmt: skip
    style.training_limit(ax)
    ax.set(xscale="log", xlabel="length of the word (symbols)", ylabel="words right (%)", ylim=(-3, 106))
    ax.set_xticks([2, 10, 50, 200, 1000, 2000], ["2", "10", "50", "200", "1,000", "2,000"])
    ax.minorticks_off()
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, 0.93))
    return figure
