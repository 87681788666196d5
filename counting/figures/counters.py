"""Figures of the chapter on more than one counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from counting.certificate.powers import Move
from counting.figures import style


def gains(shares: Mapping[str, Mapping[float, float]]) -> Figure:
    """Plot the share of networks right on long words by the gain after training. shares: language -> gain -> share."""
    figure, (ax,) = style.axes(width=style.WIDTH)
    for (name, by_gain), marker in zip(shares.items(), "osD^v", strict=False):
        ax.plot(list(by_gain), list(by_gain.values()), marker=marker, color=style.COLORS["lstm"], label=name, alpha=0.8)
    ax.set_xscale("log")
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("gain after training")
    ax.set_ylabel("share right on long words")
    ax.legend()
    return figure


def plane(cells: np.ndarray, counts: np.ndarray) -> Figure:
    """Plot two cells along a word: one against the other, and each against its depth. cells, counts: (steps, 2)."""
    figure, (left, right) = style.axes(2, width=style.WIDTH)
    left.plot(*cells.T, marker="o", markersize=3, linewidth=0.8, color=style.COLORS["lstm"])
    left.set_xlabel("cell of unit 1")
    left.set_ylabel("cell of unit 2")
    owner = np.argmax(np.abs(np.corrcoef(cells.T, counts.T)[:2, 2:]), axis=1)
    for unit, marker in enumerate("os"):
        label = f"unit {unit + 1} · brackets {owner[unit] + 1}"
        right.plot(counts[:, owner[unit]], cells[:, unit], marker, markersize=4, label=label, alpha=0.6)
    right.set_xlabel("depth")
    right.set_ylabel("cell")
    right.legend()
    return figure


def automaton(moves: Sequence[Move]) -> Figure:
    """Draw the run of a proved network on a word of powers: one circle for each control state, and what it adds."""
    figure, (ax,) = style.axes(height=2.2, width=style.WIDTH)
    for x, move in enumerate(moves):
        steps = ", ".join("rest" if np.isnan(step) else f"{step:+.3g}" for step in move.steps)
        if x + 1 < len(moves):
            ax.arrow(x + 0.3, 0, 0.36, 0, head_width=0.06, head_length=0.04, color="black")
        ax.plot(x, 0, "o", markersize=44, markerfacecolor="white", markeredgecolor=style.COLORS["lstm"])
        ax.text(x, 0, move.symbol, ha="center", va="center")
        ax.text(x, 0.42, f"cells {steps}", ha="center")
        ax.text(x, -0.5, "h = " + ", ".join(f"{h:.2g}" for h in move.h), ha="center")
    ax.set_xlim(-0.6, max(len(moves), 2) - 0.4)
    ax.set_ylim(-0.8, 0.8)
    ax.axis("off")
    return figure
