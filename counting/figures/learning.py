"""Figures of the chapter on learning to count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
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
    figure, (ax,) = style.axes(height=0.6 + 0.32 * len(table))
    cells = [cells] * len(table) if isinstance(cells, str) else cells
    labels = [" ".join(_IN_WORDS.get(part, part) for part in label.split(" ")) for label in table.index]
    for row, (line, cell, label) in enumerate(zip(table.itertuples(), cells, labels, strict=True)):
        framed: dict[str, Any] = {"markeredgecolor": style.EXACT, "markeredgewidth": 1.5}
        ax.errorbar(
            line.share, row, xerr=np.abs([[line.low - line.share], [line.high - line.share]]), fmt=style.MARKERS[cell],
            color=style.COLORS[cell], capsize=3, linewidth=1, **framed if "the paper's" in label else {},
        )  # fmt: skip
    ax.set_yticks(range(len(table)), labels)
    ax.invert_yaxis()
    ax.set(xlim=(-0.03, 1.03), xlabel="share of networks proved right")
    ax.grid(axis="x", color="0.9")
    return figure


def survival(shortest: Mapping[str, np.ndarray], longest: int) -> Figure:
    """Draw the share of networks right on all words up to each length.

    shortest: label -> (runs,) length of the shortest word that each gets wrong, beyond `longest` where none is.
    """
    figure, (ax,) = style.axes(height=2.8)
    looks = ((style.COLORS["relu"], "-"), (style.EXACT, "--"))
    for (label, lengths), (color, line) in zip(shortest.items(), looks, strict=False):
        ends = np.sort(np.minimum(lengths, longest))
        left = 1 - np.arange(len(ends) + 1) / len(ends)
        kept = (lengths > longest).mean()
        shares = [*np.maximum(left, kept), kept]
        ax.step([1, *ends, longest], shares, where="post", label=label, color=color, linestyle=line)
    ax.set(xscale="log", xlabel="length of words", ylabel="share right on all words")
    ax.set(xlim=(10, longest), ylim=(-0.03, 1.03))
    ax.legend(loc="lower left")
    return figure


def saturation(runs: Mapping[str, Runs], distances: Mapping[str, np.ndarray]) -> Figure:
    """Draw validation loss (top) and distance from saturation (bottom) by epoch, one line a regimen.

    distances: (runs, epochs + 1), how far the least saturated gate is from its limit.
    """
    loss = MEASURES.index("validation_loss")
    curves = {
        label: (np.maximum(sweep.losses[loss], 1e-17), np.maximum(distances[label], 1e-9))
        for label, sweep in runs.items()
    }
    return _by_epoch(curves, ("validation loss", "largest 1 − |gate|"), "lstm")


def closing_in(distances: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw the distance of u from 1 (top) and of B / A from −1 (bottom) by epoch.

    distances: label -> two (runs, epochs + 1).
    """
    curves = {label: [np.maximum(values, 1e-16) for values in pair] for label, pair in distances.items()}
    return _by_epoch(curves, ("|u − 1|", "|B / A + 1|"), "relu", sharey=True)


def _by_epoch(curves: Mapping[str, Sequence[np.ndarray]], names: Sequence[str], cell: str, **options: Any) -> Figure:
    """Draw median and middle 90 % of runs by epoch, a panel a name. curves: regimen -> (runs, epochs + 1) a panel."""
    figure, panels = style.axes(rows=2, height=2.4, sharex=True, **options)
    looks: list[dict[str, Any]] = [
        {"color": style.BASELINE, "linestyle": ":", "linewidth": 2},
        {"color": style.COLORS[cell], "linestyle": style.LINES[cell]},
        {"color": style.EXACT, "linestyle": "-"},
    ]
    for (label, both), look in zip(curves.items(), looks, strict=False):
        for ax, values in zip(panels, both, strict=True):
            style.spread(ax, np.arange(values.shape[1]), values, 0.05, label=label, **look)
    for ax, name in zip(panels, names, strict=True):
        ax.set(yscale="log", ylabel=name)
    panels[1].set_xlabel("epoch")
    panels[0].legend()
    return figure


def robustness(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the share proved against one changed quantity a panel.

    tables: axis label -> columns cell, x, share, low, high.
    """
    figure, axes = style.axes(2, rows=-(-len(tables) // 2), height=2.2, sharey=True)
    for ax, (label, table) in zip(axes, tables.items(), strict=False):
        for cell, rows in table.groupby("cell"):
            error = np.abs(rows[["low", "high"]].T.to_numpy() - rows["share"].to_numpy())
            ax.errorbar(rows["x"], rows["share"], error, capsize=3, label=style.CELL_NAMES[cell], **style.look(cell))
        ax.set(xlabel=label, ylim=(-0.03, 1.03), xscale="log" if table["x"].max() > 20 * table["x"].min() else "linear")
    figure.supylabel("share proved")
    style.legend_above(figure, axes[0], 3)
    for ax in axes[len(tables) :]:
        ax.set_visible(False)
    return figure


def after_training(gains: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    """Draw the share proved without further training: by gain (LSTM) and by the rounding step's bound (ReLU)."""
    figure, (left, right) = style.axes(rows=2, height=2.5)
    for ax, cell, table in ((left, "lstm", gains), (right, "relu", bounds)):
        curve = table["low"], table["share"], table["high"]
        style.band(ax, table.index, curve, label=f"{style.CELL_NAMES[cell]}, proved", **style.look(cell))
        if "validated" in table:
            validated = table["validated"].iloc[0]
            ax.axhline(validated, color=style.BASELINE, linestyle=":", label="right on validation words")
        ax.set(xscale="log", ylabel="share of networks", ylim=(-0.03, 1.03))
        ax.legend(loc="center left" if cell == "relu" else "lower right")
    left.set(xlabel="gain on gates and candidate, after training")
    right.set(xlabel="bound of the rounding step")
    return figure


def loss_by_gain(gains: Sequence[float], losses: np.ndarray) -> Figure:
    """Draw the loss of trained LSTMs whose gates and candidate are multiplied by a gain. losses: (runs, gains)."""
    figure, (ax,) = style.axes(height=2.5)
    style.spread(ax, gains, losses, 0.05, color=style.COLORS["lstm"], marker=style.MARKERS["lstm"])
    ax.set(xscale="log", yscale="log", xlabel="gain on gates and candidate, after training", ylabel="validation loss")
    return figure
