"""Figures of the chapter on the GRU's limits: its maps, repeated brackets, how large a bracket is."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from counting.figures.style import BASELINE, COLORS, EXACT, FAILURE, LINES, axes

_COLOR = COLORS["gru"]


def maps(h: np.ndarray, opened: np.ndarray, closed: np.ndarray, threshold: np.ndarray, chosen: int) -> Figure:
    """Draw the maps of both symbols, all runs thin and one in full, with the path of `(^5 )^5` in it.

    h: states (k,), turned so that `(` raises them. opened, closed: (runs, k). threshold: (runs,).
    """
    figure, panels = axes(rows=2, height=2.9, sharex=True)
    for ax, after, line, name in ((panels[0], opened, "-", "after ("), (panels[1], closed, LINES["gru"], "after )")):
        ax.plot(h, after.T, color=_COLOR, alpha=0.07, linewidth=0.7)
        ax.plot(h, after[chosen], color=_COLOR, linestyle=line, linewidth=2, label=f"state {name}")
        ax.plot(h, h, color=BASELINE, linewidth=1, label="unmoved")
        ax.set(ylabel="state after")
        fixed = np.flatnonzero(np.diff(np.sign(after[chosen] - h)) != 0)
        ax.plot(h[fixed], after[chosen][fixed], marker="o", color=EXACT, linestyle="", label="fixed point")
        ax.axhline(threshold[chosen], color=FAILURE, linestyle=":", label="“)” allowed above")
        ax.legend(loc="upper left")
    panels[1].set(xlabel="state before")
    x = 0.0
    for ax, after in ((panels[0], opened), (panels[1], closed)):
        for _ in range(5):
            y = np.interp(x, h, after[chosen])
            ax.plot([x, x, y], [x, y, y], color=EXACT, linewidth=0.7)
            x = y
    return figure


def collapse(distance: np.ndarray, apart: np.ndarray, deepest: np.ndarray, trained: int) -> Figure:
    """Top: how far `(^n` is from its fixed point. Bottom: how many depths the bits tell apart, and the count.

    distance: (runs, n). apart: (runs,), −1 where unknown. deepest: (runs,). trained: deepest training word.
    """
    figure, (left, right) = axes(rows=2, height=2.6)
    shown = np.where(distance > 0, distance, np.nan)
    left.semilogy(np.arange(distance.shape[1]), shown.T, color=_COLOR, alpha=0.25, linewidth=0.7)
    left.set(xlabel="n, of ( ⁿ", ylabel="distance from fixed point")
    left.axvline(trained, color=BASELINE, linestyle="--", linewidth=1)
    bins = np.geomspace(8, 2 * max(apart.max(), 100), 45)
    right.hist(deepest, bins.tolist(), color=_COLOR, label="deepest count")
    known = apart[apart > 0]
    right.hist(known, bins.tolist(), color=BASELINE, label="depths told apart", hatch="//", edgecolor="white")
    right.axvline(trained, color=BASELINE, linestyle="--", linewidth=1, label=f"deepest training word ({trained})")
    right.set(xscale="log", xlabel="depth", ylabel="runs")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def steps(depths: np.ndarray, step: np.ndarray, share: np.ndarray) -> Figure:
    """How large a `)` is at each depth, measured in `(`; below, how often training words are so deep.

    depths: (k,). step: (runs, k). share: of training symbols at depth 0, 1, …
    """
    figure, (ax, below) = axes(rows=2, height=2.3, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    ax.plot(depths, step.T, color=_COLOR, alpha=0.15, linewidth=0.7)
    ax.plot(depths, np.median(step, axis=0), color=_COLOR, linewidth=2.2, label="median run")
    ax.axhline(1, color=EXACT, linewidth=1, linestyle="--", label="a counter")
    ax.set(ylabel="size of “)” in “(”", ylim=(0, 4))
    ax.legend(loc="lower right")
    below.bar(np.arange(len(share)), share, color=BASELINE, width=0.9)
    below.set(xlabel="depth", ylabel="training\nsymbols", yscale="log", xlim=depths[[0, -1]])
    for panel in (ax, below):
        panel.axvline(np.flatnonzero(share)[-1], color=BASELINE, linestyle="--", linewidth=1)
    return figure


def predictions(drift: np.ndarray, feedback: np.ndarray, observed: np.ndarray, constant: float) -> Figure:
    """Mean first failure of each run, observed, against both predictions; all (runs,)."""
    figure, panels = axes(rows=2, height=2.7)
    names = ("first failure by the sum (step)", "first failure with feedback (step)")
    for ax, predicted, name in zip(panels, (drift, feedback), names, strict=True):
        ax.scatter(predicted, observed, color=_COLOR, marker="s", s=9, alpha=0.5, linewidth=0)
        ax.axhline(constant, color=BASELINE, linestyle=":", label="constant answer")
        low, high = min(drift.min(), observed.min()), max(drift.max(), observed.max())
        ax.plot([low, high], [low, high], color=BASELINE, linewidth=1, label="predicted = observed")
        ax.set(xlabel=name, ylabel="observed (step)")
    panels[1].legend(loc="upper left")
    return figure
