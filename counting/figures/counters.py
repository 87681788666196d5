"""Figures of exact counters: what rounding spoils, where a sigmoid becomes 1, and networks of several counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from counting.certificate.powers import Move
from counting.figures.style import BASELINE, COLORS, EXACT, FAILURE, WIDTH, axes

_FLOOR = 1e-10
"""Where a distance of exactly 0 is drawn on a logarithmic axis."""


def saturation(x: np.ndarray, real: np.ndarray, rounded: np.ndarray) -> Figure:
    """1 − sigmoid(x): `real`, on paper, and `rounded`, as computed in float32; all (points,)."""
    figure, (ax,) = axes(height=3.0)
    first = x[np.argmax(rounded == 0)]
    ax.semilogy(x, real, color=BASELINE, linestyle="--", label="real numbers: never 0")
    ax.semilogy(x, np.where(rounded > 0, rounded, np.nan), color=COLORS["lstm"], linewidth=2, label="float32")
    zero = x[rounded == 0]
    ax.semilogy(zero, np.full(len(zero), _FLOOR), color=COLORS["lstm"], linewidth=4, solid_capstyle="butt")
    ax.annotate(f"exactly 0 from x = {first:.2f}", (first, _FLOOR), (first - 0.3, _FLOOR), ha="right",
                va="center", color=COLORS["lstm"])  # fmt: skip
    ax.axvline(first, color=EXACT, linewidth=0.8, linestyle=":")
    ax.set(xlabel="x, what the gate sees", ylabel="1 − sigmoid(x)")
    ax.legend(loc="center left", bbox_to_anchor=(0, 0.35))
    return figure


def rounding(lengths: np.ndarray, shares: Mapping[str, np.ndarray], bound: int) -> Figure:
    """Share of counters, exact on paper, that rounding makes fail on a word of each length.

    shares: label -> (share, low, high) for each length, (lengths, 3), the first label for those that fail.
    """
    figure, (ax,) = axes(height=3.0)
    looks = zip((FAILURE, COLORS["relu"]), ("o-", "^-."), strict=True)
    for (label, share), (color, look) in zip(shares.items(), looks, strict=False):
        ax.plot(lengths, share[:, 0], look, color=color, markersize=5, label=label)
        ax.fill_between(lengths, *share[:, 1:].T, color=color, alpha=0.2, linewidth=0)
    ax.axvline(bound, color=EXACT, linestyle=":", label=f"no word below {bound:,} symbols can fail")
    ax.set(xlabel="length of the word", ylabel="share that fails", ylim=(-0.03, 1.03))
    ax.set_xscale("log", base=2)
    figure.legend(loc="outside upper center")
    return figure


def drift(depth: np.ndarray, error: np.ndarray) -> Figure:
    """Depth along one word, and below it how far the state is from the depth, in steps; both (T,)."""
    figure, (top, bottom) = axes(rows=2, height=1.7, sharex=True)
    top.plot(depth, color=BASELINE)
    top.set(ylabel="depth")
    bottom.plot(error, color=COLORS["relu"])
    for half in (-0.5, 0.5):
        bottom.axhline(half, color=FAILURE, linestyle="--", linewidth=1)
    bottom.set(xlabel="step", ylabel="error (steps)")
    return figure


def gains(shares: Mapping[str, Mapping[float, float]]) -> Figure:
    """Plot the share of networks right on long words by the gain after training. shares: language -> gain -> share."""
    figure, (ax,) = axes(width=WIDTH)
    for (name, by_gain), marker in zip(shares.items(), "osD^v", strict=False):
        ax.plot(list(by_gain), list(by_gain.values()), marker=marker, color=COLORS["lstm"], label=name, alpha=0.8)
    ax.set(xscale="log", ylim=(-0.03, 1.03), xlabel="gain after training", ylabel="share right on long words")
    ax.legend()
    return figure


def plane(cells: np.ndarray, counts: np.ndarray) -> Figure:
    """Plot two cells along a word: one against the other, and each against its depth. cells, counts: (steps, 2)."""
    figure, (left, right) = axes(2, width=WIDTH)
    left.plot(*cells.T, marker="o", markersize=3, linewidth=0.8, color=COLORS["lstm"])
    left.set(xlabel="cell of unit 1", ylabel="cell of unit 2")
    owner = np.argmax(np.abs(np.corrcoef(cells.T, counts.T)[:2, 2:]), axis=1)
    for unit, marker in enumerate("os"):
        label = f"unit {unit + 1} · brackets {owner[unit] + 1}"
        right.plot(counts[:, owner[unit]], cells[:, unit], marker, markersize=4, label=label, alpha=0.6)
    right.set(xlabel="depth", ylabel="cell")
    right.legend()
    return figure


def automaton(moves: Sequence[Move]) -> Figure:
    """Draw the run of a proved network on a word of powers: one circle for each control state, and what it adds."""
    figure, (ax,) = axes(height=2.2, width=WIDTH)
    for x, move in enumerate(moves):
        steps = ", ".join("rest" if np.isnan(step) else f"{step:+.3g}" for step in move.steps)
        if x + 1 < len(moves):
            ax.arrow(x + 0.3, 0, 0.36, 0, head_width=0.06, head_length=0.04, color="black")
        ax.plot(x, 0, "o", markersize=44, markerfacecolor="white", markeredgecolor=COLORS["lstm"])
        ax.text(x, 0, move.symbol, ha="center", va="center")
        ax.text(x, 0.42, f"cells {steps}", ha="center")
        ax.text(x, -0.5, "h = " + ", ".join(f"{h:.2g}" for h in move.h), ha="center")
    ax.set(xlim=(-0.6, max(len(moves), 2) - 0.4), ylim=(-0.8, 0.8))
    ax.axis("off")
    return figure
