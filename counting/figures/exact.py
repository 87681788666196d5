"""Figures of the chapter on exact counters: where a sigmoid becomes 1, and which words rounding spoils."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from counting.figures.style import BASELINE, COLORS, EXACT, FAILURE, axes

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
    ax.set(xscale="log", xlabel="length of the word", ylabel="share that fails", ylim=(-0.03, 1.03))
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
