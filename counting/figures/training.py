"""Figures of the chapter on training: losses by epoch, which epoch is best, picked runs, learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from counting.figures.style import BASELINE, CELL_NAMES, COLORS, LINES, MARKERS, axes, legend_above, look
from counting.training import MEASURES, Runs

MEAN = MEASURES.index("validation_loss")


def log_loss(runs: Runs) -> np.ndarray:
    """log10 of the mean validation loss, (runs, epochs + 1); NaN where it is not finite or 0."""
    loss = runs.losses[MEAN]
    return np.log10(np.where(np.isfinite(loss) & (loss > 0), loss, np.nan))


def losses(runs: Mapping[str, Runs], constant: float) -> Figure:
    """log10 validation loss by epoch, a panel a cell: each run, and their min, mean and max.

    constant: loss of the best answer that never changes.
    """
    figure, panels = axes(rows=len(runs), height=1.75, sharex=True, sharey=True)
    for ax, (cell, r) in zip(panels, runs.items(), strict=True):
        _runs(ax, log_loss(r), COLORS[cell], alpha=0.12)
        _min_mean_max(ax, log_loss(r), cell)
        ax.axhline(np.log10(constant), color=BASELINE, linestyle=":", label="constant answer")
        ax.set_title(f"{CELL_NAMES[cell]}, {len(r)} runs", loc="left")
    panels[len(runs) // 2].set(ylabel="log₁₀ validation loss")
    panels[-1].set(xlabel="epoch")
    legend_above(figure, panels[0], 3, columnspacing=1)
    return figure


def _runs(ax: Axes, values: np.ndarray, color: str, alpha: float, width: float = 0.6) -> None:
    ax.plot(np.arange(values.shape[1]), values.T, color=color, alpha=alpha, linewidth=width)


def _min_mean_max(ax: Axes, values: np.ndarray, cell: str) -> None:
    """Draw the mean as a line, the lowest and highest run as thin ones. A NaN is left out of its epoch."""
    epochs, mean = np.arange(values.shape[1]), np.nanmean(values, axis=0)
    ax.plot(epochs, mean, color=COLORS[cell], linestyle=LINES[cell], linewidth=2.2, label="mean")
    for name, bound in (("min, max", np.nanmin(values, axis=0)), (None, np.nanmax(values, axis=0))):
        ax.plot(epochs, bound, color="black", linewidth=0.8, label=name)


def changes(frame: pd.DataFrame) -> Figure:
    """How log10 validation loss changes between epochs: boxes over runs, whiskers to 5 and 95 %.

    frame: columns cell, change, and `epochs` such as "10–15", one row a run and step.
    """
    figure, (ax,) = axes(height=3.4)
    steps, cells = list(frame.epochs.unique()), list(frame.cell.unique())
    for k, cell in enumerate(cells):
        boxes = [frame.change[(frame.cell == cell) & (frame.epochs == step)].dropna() for step in steps]
        at = np.arange(len(steps)) + 0.27 * (k - (len(cells) - 1) / 2)
        drawn = ax.boxplot(
            boxes, positions=at, widths=0.22, whis=(5, 95), showfliers=False,
            patch_artist=True, showmeans=True,
            meanprops={"marker": MARKERS[cell], "markerfacecolor": "white", "markeredgecolor": "black"},
            medianprops={"color": "black"},
        )  # fmt: skip
        for box in drawn["boxes"]:
            box.set(facecolor=COLORS[cell], alpha=0.6)
        drawn["boxes"][0].set_label(CELL_NAMES[cell])
    ax.axhline(0, color=BASELINE, linewidth=1)
    ax.set_xticks(range(len(steps)), steps)
    ax.set(xlabel="from epoch to epoch", ylabel="change of log₁₀ validation loss")
    figure.legend(loc="outside upper center", ncols=len(cells))
    return figure


def readings(runs: Mapping[str, Runs]) -> Figure:
    """Draw the epoch that each reading of validation loss chooses, a panel a cell. A larger mark is more runs."""
    figure, panels = axes(columns=len(runs), height=2.2, sharex=True, sharey=True)
    for ax, (cell, r) in zip(panels, runs.items(), strict=True):
        chosen = np.stack([r.selected_epoch("validation_loss"), r.selected_epoch("last_word_loss")])
        places, counts = np.unique(chosen, axis=1, return_counts=True)
        last = r.regimen.epochs
        ax.plot([0, last], [0, last], color=BASELINE, linewidth=1)
        dots: dict[str, Any] = {"marker": MARKERS[cell], "color": COLORS[cell], "alpha": 0.6, "clip_on": False}
        ax.scatter(places[0], places[1], s=8 + 3 * counts, **dots)
        ax.set(xlim=(-1, last + 1), ylim=(-1, last + 1))
        ax.set_title(CELL_NAMES[cell])
    figure.supxlabel("best epoch by the mean")
    panels[0].set(ylabel="by the last word")
    return figure


def picked(runs: Runs, first: int, chosen: np.ndarray, constant: float) -> Figure:
    """Draw the ReLU runs whole, and as picked. first: of how many were picked; chosen: indices of those that were.

    constant: loss of the best answer that never changes.
    """
    figure, panels = axes(columns=2, sharey=True, height=3.2)
    values, cell = log_loss(runs), runs.regimen.cell
    rest = np.setdiff1d(np.arange(min(first, len(runs))), chosen)
    _runs(panels[0], values, COLORS[cell], alpha=0.4)
    _runs(panels[1], values[rest], BASELINE, alpha=0.5)
    _runs(panels[1], values[chosen], COLORS[cell], alpha=1, width=1.2)
    titles = f"all {len(runs)} runs", f"{len(chosen)} picked of {len(chosen) + len(rest)}"
    for ax, title in zip(panels, titles, strict=True):
        ax.axhline(np.log10(constant), color="black", linestyle=":", label="constant answer")
        ax.set(xlabel="epoch")
        ax.set_title(title)
    panels[0].set(ylabel="log₁₀ validation loss")
    legend_above(figure, panels[0])
    return figure


def rates(frame: pd.DataFrame) -> Figure:
    """Learning rates compared: lowest validation loss of a run, and the share of runs right on all words.

    frame: columns cell, rate, low, middle, high (of log10 loss), share, share_low, share_high (of runs), own
    (is it the paper's rate).
    """
    figure, (left, right) = axes(rows=2, height=2.4, sharex=True)
    for k, (cell, rows) in enumerate(frame.groupby("cell", sort=False)):
        at = rows.rate * 1.12 ** (k - 1)  # side by side
        for ax, y, low, high in (
            (left, rows.middle, rows.low, rows.high), (right, rows.share, rows.share_low, rows.share_high)
        ):  # fmt: skip
            error = np.clip([y - low, high - y], 0, None)
            ax.errorbar(at, y, error, capsize=2, **look(cell, linewidth=1.2, label=CELL_NAMES[cell]))
            ax.plot(at[rows.own], y[rows.own], MARKERS[cell], markersize=12, markerfacecolor="none",
                    markeredgecolor="black", zorder=3)  # fmt: skip
    left.set(ylabel="log₁₀ lowest loss")
    right.set(xscale="log", xlabel="learning rate", ylabel="runs all right, share", ylim=(-0.03, 1.03))
    left.legend()
    return figure
