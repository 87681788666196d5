"""Figures of the chapter on learning to count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from counting.figures import style
from counting.training import MEASURES, Runs

_IN_WORDS = {
    "gate_gain": "gate temperature", "initial_scale": "smaller start", "learning_rate": "falling rate",
    "hidden_bias": "positive bias",
}  # fmt: skip


def shares(table: pd.DataFrame, cells: str | Sequence[str]) -> Figure:
    """Draw shares with intervals, one row each, from top to bottom.

    table: columns share, low, high; index: labels, in which a regimen's fields are put in words; those of the paper's
    regimen are framed. cells: one for all rows, or one a row.
    """
    figure, (ax,) = style.axes(height=0.6 + 0.32 * len(table), width=style.NARROW)
    cells = [cells] * len(table) if isinstance(cells, str) else cells
    labels = [" ".join(_IN_WORDS.get(part, part) for part in label.split(" ")) for label in table.index]
    for row, (line, cell, label) in enumerate(zip(table.itertuples(), cells, labels, strict=True)):
        look: dict[str, Any] = {"fmt": style.MARKERS[cell], "color": style.COLORS[cell], "capsize": 3, "linewidth": 1}
        if "the paper's" in label:
            look |= {"markeredgecolor": style.EXACT, "markeredgewidth": 1.5}
        error = np.abs([[line.low - line.share], [line.high - line.share]])
        ax.errorbar(line.share, row, xerr=error, **look)
    ax.set_yticks(range(len(table)), labels)
    ax.invert_yaxis()
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("share of networks proved right")
    ax.grid(axis="x", color="0.9")
    return figure


def survival(shortest: Mapping[str, np.ndarray], longest: int) -> Figure:
    """Draw the share of networks right on all words up to each length.

    shortest: label -> (runs,) length of the shortest word that each gets wrong, beyond `longest` where none is.
    """
    figure, (ax,) = style.axes(height=2.8, width=style.NARROW)
    looks: list[dict[str, Any]] = [
        {"color": style.COLORS["relu"], "linestyle": "-"},
        {"color": style.EXACT, "linestyle": "--"},
    ]
    for (label, lengths), look in zip(shortest.items(), looks, strict=False):
        ends = np.sort(np.minimum(lengths, longest))
        left = 1 - np.arange(len(ends) + 1) / len(ends)
        kept = (lengths > longest).mean()
        ax.step([1, *ends, longest], [*np.maximum(left, kept), kept], where="post", label=label, **look)
    ax.set_xscale("log")
    ax.set(xlim=(10, longest), ylim=(-0.03, 1.03), xlabel="length of words", ylabel="share right on all words")
    ax.legend(loc="lower left")
    return figure


def _band(ax: Axes, x: Sequence[float] | np.ndarray, values: np.ndarray, label: str, **look: Any) -> None:
    """Median line and the range from the 5th to the 95th percentile over runs. values: (runs, epochs)."""
    low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=0)
    ax.plot(x, middle, label=label, **look)
    ax.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)


def saturation(runs: Mapping[str, Runs], distances: Mapping[str, np.ndarray]) -> Figure:
    """Draw validation loss (top) and distance from saturation (bottom) by epoch, one line a regimen.

    distances: (runs, epochs + 1), how far the least saturated gate is from its limit.
    """
    figure, (left, right) = style.axes(rows=2, height=2.4, width=style.NARROW, sharex=True)
    looks: list[dict[str, Any]] = [
        {"color": style.BASELINE, "linestyle": ":", "linewidth": 2},
        {"color": style.COLORS["lstm"], "linestyle": style.LINES["lstm"]},
    ]
    for (label, sweep), look in zip(runs.items(), looks, strict=True):
        loss = sweep.losses[MEASURES.index("validation_loss")]
        epochs = np.arange(loss.shape[1])
        _band(left, epochs, np.maximum(loss, 1e-17), label, **look)
        _band(right, epochs, np.maximum(distances[label], 1e-9), label, **look)
    for ax, name in ((left, "validation loss"), (right, "largest 1 − |gate|")):
        ax.set_yscale("log")
        ax.set_ylabel(name)
    right.set_xlabel("epoch")
    left.legend()
    return figure


def closing_in(distances: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw the distance of u from 1 (top) and of B / A from −1 (bottom) by epoch.

    distances: label -> two (runs, epochs + 1).
    """
    figure, axes = style.axes(rows=2, height=2.4, width=style.NARROW, sharex=True, sharey=True)
    looks: list[dict[str, Any]] = [
        {"color": style.BASELINE, "linestyle": ":", "linewidth": 2},
        {"color": style.COLORS["relu"], "linestyle": style.LINES["relu"]},
        {"color": style.EXACT, "linestyle": "-"},
    ]
    for (label, pair), look in zip(distances.items(), looks, strict=False):
        for ax, values in zip(axes, pair, strict=True):
            _band(ax, np.arange(values.shape[1]), np.maximum(values, 1e-16), label, **look)
    for ax, name in zip(axes, ("|u − 1|", "|B / A + 1|"), strict=True):
        ax.set_yscale("log")
        ax.set_ylabel(name)
    axes[1].set_xlabel("epoch")
    axes[0].legend()
    return figure


def robustness(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the share proved against one changed quantity a panel.

    tables: axis label -> columns cell, x, share, low, high.
    """
    figure, axes = style.axes(2, rows=-(-len(tables) // 2), height=2.2, width=style.NARROW, sharey=True)
    for ax, (label, table) in zip(axes, tables.items(), strict=False):
        for cell, rows in table.groupby("cell"):
            ax.errorbar(
                rows["x"],
                rows["share"],
                yerr=np.abs(rows[["low", "high"]].T.to_numpy() - rows["share"].to_numpy()),
                color=style.COLORS[cell],
                marker=style.MARKERS[cell],
                linestyle=style.LINES[cell],
                capsize=3,
                label=style.CELL_NAMES[cell],
            )
        if table["x"].max() > 20 * table["x"].min():
            ax.set_xscale("log")
        ax.set_xlabel(label)
        ax.set_ylim(-0.03, 1.03)
    figure.supylabel("share proved", fontsize="medium")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    for ax in axes[len(tables) :]:
        ax.set_visible(False)
    return figure


def after_training(gains: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    """Draw the share proved without further training: by gain (LSTM) and by the rounding step's bound (ReLU)."""
    figure, axes = style.axes(rows=2, height=2.5, width=style.NARROW)
    for ax, cell, table, label in (
        (axes[0], "lstm", gains, "gain on gates and candidate, after training"),
        (axes[1], "relu", bounds, "bound of the rounding step"),
    ):
        ax.fill_between(table.index, table["low"], table["high"], color=style.COLORS[cell], alpha=0.15, linewidth=0)
        ax.plot(
            table.index, table["share"], color=style.COLORS[cell], marker=style.MARKERS[cell],
            linestyle=style.LINES[cell], label=f"{style.CELL_NAMES[cell]}, proved",
        )  # fmt: skip
        if "validated" in table:
            known: dict[str, Any] = {"color": style.BASELINE, "linestyle": ":", "label": "right on validation words"}
            ax.axhline(table["validated"].iloc[0], **known)
        ax.set_xscale("log")
        ax.set(xlabel=label, ylabel="share of networks", ylim=(-0.03, 1.03))
        ax.legend(loc="center left" if cell == "relu" else "lower right")
    return figure


def loss_by_gain(gains: Sequence[float], losses: np.ndarray) -> Figure:
    """Draw the loss of trained LSTMs whose gates and candidate are multiplied by a gain. losses: (runs, gains)."""
    figure, (ax,) = style.axes(height=2.5, width=style.NARROW)
    _band(ax, gains, losses, "median", color=style.COLORS["lstm"], marker=style.MARKERS["lstm"])
    ax.set(xscale="log", yscale="log", xlabel="gain on gates and candidate, after training", ylabel="validation loss")
    return figure
