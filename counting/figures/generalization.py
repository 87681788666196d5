"""Figures of the chapter on generalization: accuracy by length, first failures, what validation loss tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from counting.dyck import Words
from counting.figures import style
from counting.figures.style import BASELINE, CELL_NAMES, COLORS, LINES, MARKERS, axes
from counting.statistics import Regression


def accuracy_by_length(lengths: np.ndarray, accuracy: Mapping[str, np.ndarray]) -> Figure:
    """Share of right words against length: each run, their mean, best and worst.

    lengths: (lengths,); accuracy: cell -> (runs, lengths).
    """
    figure, panels = axes(rows=len(accuracy), height=1.75, sharex=True, sharey=True)
    for ax, (cell, values) in zip(panels, accuracy.items(), strict=True):
        ax.plot(lengths, values.T, color=COLORS[cell], alpha=0.15, linewidth=0.5)
        ax.plot(lengths, values.mean(axis=0), color=COLORS[cell], linestyle=LINES[cell], linewidth=2.2, label="mean")
        ax.plot(lengths, values.max(axis=0), color="black", linewidth=0.8, label="best, worst")
        ax.plot(lengths, values.min(axis=0), color="black", linewidth=0.8)
        style.training_limit(ax)
        ax.set_title(f"{CELL_NAMES[cell]}, {len(values)} runs", loc="left")
    panels[len(accuracy) // 2].set(ylabel="share of words right")
    panels[-1].set(xscale="log", xlabel="length of the word (symbols)")
    panels[-1].set_xticks([2, 10, 50, 200, 1000], ["2", "10", "50", "200", "1,000"])
    panels[-1].minorticks_off()
    style.legend_above(figure, panels[0], 2)
    return figure


def failures(first: Mapping[str, np.ndarray], constant: np.ndarray, length: int) -> Figure:
    """How the first points of failure are distributed: over all runs and words, and each run's mean.

    first: cell -> (runs, words); constant: (words,), those of the answer "both allowed".
    """
    figure, (left, right) = axes(rows=2, height=2.5)
    for cell, values in first.items():
        left.ecdf(values.ravel(), color=COLORS[cell], linestyle=LINES[cell], label=CELL_NAMES[cell])
    left.ecdf(constant, color=BASELINE, linewidth=2.5, alpha=0.7, label="“both allowed”")
    left.set(xlabel="first point of failure", ylabel="share of pairs", xlim=(0, length))
    left.legend()
    for k, (cell, values) in enumerate(first.items()):
        means = values.mean(axis=1)
        beside = k + 0.3 * (np.argsort(np.argsort(means * 7919 % 1, kind="stable")) / len(means) - 0.5)
        right.plot(beside, means, MARKERS[cell], color=COLORS[cell], markersize=4, alpha=0.5, markeredgewidth=0)
        right.plot([k - 0.3, k + 0.3], [means.mean()] * 2, color="black", linewidth=1.5)
    right.axhline(constant.mean(), color=BASELINE, linewidth=2.5, alpha=0.7)
    right.set_xticks(range(len(first)), [CELL_NAMES[cell] for cell in first])
    right.set(ylabel="mean of each run", ylim=(0, length))
    return figure


def one_word(word: Words, first: Mapping[str, np.ndarray], constant: int) -> Figure:
    """Where the runs of each cell first fail on one word, its depth drawn over it. first: cell -> (runs,)."""
    figure, panels = axes(rows=len(first), height=1.75, sharex=True)
    length = int(word.lengths[0])
    for ax, (cell, values) in zip(panels, first.items(), strict=True):
        ax.hist(values, bins=np.linspace(0, length, 51).tolist(), color=COLORS[cell], alpha=0.75)
        ax.axvline(constant, color=BASELINE, linestyle=":", label="“both allowed” fails")
        depth = ax.twinx()
        depth.plot(word.depth[0, :length], color="black", linewidth=0.7)
        depth.spines.right.set_visible(True)
        depth.set(ylabel="depth", ylim=(0, None))
        ax.set(ylabel="runs")
        ax.set_title(f"{CELL_NAMES[cell]}, {len(values)} runs", loc="left")
    panels[-1].set(xlabel="step")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center")
    return figure


def returns_and_peaks(returns: pd.DataFrame, peaks: pd.DataFrame) -> Figure:
    """First failures against the number of returns to depth 0, and runs that are right at a chosen depth.

    returns: columns cell, returns, mean, low, high (first failure), constant (that of "both allowed").
    peaks: columns cell, peak, and share, low, high (of runs) for each `word`: "one mountain" or "zigzag".
    """
    figure, panels = axes(rows=3, height=1.9)
    for cell, rows in returns.groupby("cell", sort=False):
        style.band(panels[0], rows.returns, (rows.low, rows["mean"], rows.high), **_look(cell))
    flat = returns[returns.cell == returns.cell.iloc[0]]
    panels[0].plot(flat.returns, flat.constant, color=BASELINE, linewidth=2.5, alpha=0.7, label="“both allowed”")
    panels[0].set(xscale="log", xlabel="returns to depth 0", ylabel="mean first failure", ylim=(0, None))
    panels[0].set_xticks([1, 10, 100], ["1", "10", "100"])
    for ax, (word, frame) in zip(panels[1:], peaks.groupby("word", sort=False), strict=True):
        for cell, rows in frame.groupby("cell", sort=False):
            style.band(ax, rows.peak, (rows.low, rows.share, rows.high), **_look(cell))
        ax.set(xscale="log", xlabel=f"peak of {word}", ylabel="runs right, share", ylim=(-0.03, 1.03))
        ax.set_xticks([1, 30, 1000], ["1", "30", "1000"])
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center", ncols=4, columnspacing=0.8, handletextpad=0.4,
    )  # fmt: skip
    return figure


def _look(cell: str) -> dict[str, Any]:
    return style.look(cell, markersize=4, linewidth=1.3, label=CELL_NAMES[cell])


def regression(
    all_models: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray, Regression]],
    few_models: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray, Regression]],
) -> Figure:
    """Mean first point of failure against −log10 validation loss: a row a reading of it, a column a cell.

    Both: (reading, cell) -> x, y (runs, models of each run) and their regression; `few_models` in black.
    """
    readings, cells = (list(dict.fromkeys(key[k] for key in all_models)) for k in (0, 1))
    figure, panels = axes(rows=len(readings), columns=len(cells), height=2.3, sharey=True)
    for ax, (reading, cell) in zip(panels, all_models, strict=True):
        x, y, line = all_models[reading, cell]
        ax.scatter(x, y, s=7, color=COLORS[cell], marker=MARKERS[cell], alpha=0.25, linewidths=0)
        _line(ax, x, line, color=COLORS[cell])
        x, y, line = few_models[reading, cell]
        ax.scatter(x, y, s=16, facecolors="none", edgecolors="black", marker=MARKERS[cell], linewidths=0.6)
        _line(ax, x, line, color="black", linestyle="--")
    for ax, cell in zip(panels, cells, strict=False):
        ax.set_title(CELL_NAMES[cell])
    for ax, reading in zip(panels[:: len(cells)], readings, strict=True):
        ax.set(ylabel=f"by {reading}", ylim=(-30, 1030))
    figure.supxlabel("−log₁₀ validation loss")
    figure.supylabel("mean first failure")
    return figure


def _line(ax: Axes, x: np.ndarray, line: Regression, **look: Any) -> None:
    ends = np.array([np.nanmin(x), np.nanmax(x)])
    ax.plot(ends, line.intercept + line.slope * ends, linewidth=1.4, **look)


def within_epochs(frame: pd.DataFrame) -> Figure:
    """Correlation between runs of the same epoch. frame: columns cell, epoch, r, low, high."""
    figure, (ax,) = axes(height=3.2)
    for cell, rows in frame.groupby("cell", sort=False):
        style.band(ax, rows.epoch, (rows.low, rows.r, rows.high), **_look(cell))
    ax.axhline(0, color=BASELINE, linewidth=1)
    ax.set(xlabel="epoch", ylabel="correlation between runs", ylim=(-1.03, 1.03))
    figure.legend(loc="outside upper center", ncols=3)
    return figure
