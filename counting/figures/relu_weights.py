"""Figures of the chapter on the ReLU's weights: where runs end, how they drift, and the loss there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from counting.figures.style import BASELINE, COLORS, EXACT, FAILURE, axes, legend_above, spread

KIND_MARKERS = {"counter": "^", "mirrored": "v", "dead": "x", "one-way": "D", "not finite": "*"}
_MAP = "viridis"


def plane(conditions: pd.DataFrame, failure: np.ndarray, length: int, compensation: float) -> Figure:
    """Draw runs in the plane of u and B / A, all of them and, enlarged, those near the exact counter.

    conditions: from `anatomy.relu.conditions`. failure: mean first failure of each run on words of `length`.
    compensation: D / K of the training words; the drifts cancel on the dashed line.
    """
    figure, (whole, near) = axes(rows=2, height=3.0)
    seen_on_white_and_black = sns.color_palette("crest", as_cmap=True)
    colors = ScalarMappable(plt.Normalize(0, length), seen_on_white_and_black)
    for ax in (whole, near):
        for kind, group in conditions.groupby("kind"):
            ax.scatter(
                group.u, group.ratio, color=colors.to_rgba(failure[group.index]), marker=KIND_MARKERS[kind],
                s=26, linewidth=0.9, label=f"{kind} ({len(group)})",
            )  # fmt: skip
        _star(ax, 13)
        ax.set(xlabel="recurrent weight u", ylabel="ratio B / A")
    whole.set_yscale("symlog", linthresh=1)
    legend_above(figure, whole, 3)
    u = np.array([0.997, 1.0055])
    near.plot(u, -1 - compensation * (u - 1), color=BASELINE, linestyle="--", linewidth=1, label="drifts cancel")
    near.set(xlim=u, ylim=(-1.075, -0.985))
    near.legend(handles=near.lines[-1:], loc="lower left")
    figure.colorbar(colors, ax=[whole, near], pad=0.02, aspect=30).set_label("mean first failure (step)")
    return figure


def _star(ax: Axes, size: float) -> None:
    """Mark the exact counter."""
    ax.plot(1, -1, "*", color=FAILURE, markeredgecolor=EXACT, markersize=size, label="exact")


def errors(depth: np.ndarray, observed: np.ndarray, predicted: np.ndarray, names: list[str]) -> Figure:
    """State less A · depth along a word, in steps: observed (solid) and of first order (dashed).

    depth: (T,). observed, predicted: (networks, T).
    """
    figure, (ax, below) = axes(rows=2, height=2.2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    lines = ("-", "-.", ":")
    for k, name in enumerate(names):
        color = plt.get_cmap(_MAP)(0.15 + 0.35 * k)
        ax.plot(observed[k], color=color, linestyle=lines[k % 3], linewidth=1.8, label=name)
        ax.plot(predicted[k], color=EXACT, linestyle="--", linewidth=0.8, label=None if k else "first order")
    ax.set(ylabel="error (steps)")
    legend_above(figure, ax)
    below.fill_between(np.arange(len(depth)), depth, color=BASELINE, alpha=0.5, linewidth=0)
    below.set(xlabel="step", ylabel="depth")
    return figure


def prediction(
    predicted: np.ndarray, observed: np.ndarray, other: np.ndarray, constant: float, length: int
) -> Figure:
    """Mean first failure of each run against two things known beforehand.

    predicted, observed: means over the words, (runs,). other: −log10 validation loss, (runs,).
    constant: the mean first failure of the answer "both allowed".
    """
    figure, (left, right) = axes(rows=2, height=2.7)
    dots: dict[str, Any] = {"color": COLORS["relu"], "s": 9, "alpha": 0.5, "linewidth": 0}
    left.scatter(predicted, observed, **dots)
    start = 100 * np.floor(min(predicted.min(), observed.min()) / 100)
    left.plot([start, length], [start, length], color=BASELINE, linewidth=1, label="predicted = observed")
    right.scatter(other, observed, **dots)
    for ax in (left, right):
        ax.axhline(constant, color=BASELINE, linestyle=":", label="constant answer")
        ax.set(ylabel="observed (step)")
    left.set(xlabel="predicted first failure (step)")
    right.set(xlabel="−log₁₀ validation loss")
    left.legend(loc="upper left")
    return figure


def surface(u: np.ndarray, ratio: np.ndarray, loss: np.ndarray, runs: pd.DataFrame, compensation: float) -> Figure:
    """Loss over u and B / A, loss (u, ratio), with the exact counter and trained ones on it."""
    figure, (ax,) = axes(height=3.6)
    drawn = ax.pcolormesh(u, ratio, loss.T, norm=LogNorm(), cmap=_MAP, shading="gouraud", rasterized=True)
    levels = 10.0 ** np.arange(np.ceil(np.log10(loss.min())), 0, 0.5)
    ax.contour(u, ratio, loss.T, levels, colors="white", linewidths=0.6, alpha=0.7)
    inside = runs.u.between(*u[[0, -1]]) & runs.ratio.between(*ratio[[0, -1]])
    ax.scatter(runs.u[inside], runs.ratio[inside], color=COLORS["relu"], edgecolor="white", marker="^", s=30,
               linewidth=0.7, label=f"trained ({inside.sum()})")  # fmt: skip
    _star(ax, 15)
    ax.plot(u, -1 - compensation * (u - 1), color="white", linestyle="--", linewidth=1)
    ax.set(xlabel="recurrent weight u", ylabel="ratio B / A", ylim=ratio[[0, -1]])
    ax.legend(loc="upper right", frameon=True)
    figure.colorbar(drawn, ax=ax, pad=0.02).set_label("loss on the training words")
    return figure


def kinks(ratio: np.ndarray, profiles: Mapping[str, np.ndarray], gains: np.ndarray, falls: np.ndarray) -> Figure:
    """Top: loss along B / A at u = 1, in losses of the exact counter. Bottom: that one's loss by the gain."""
    figure, (left, right) = axes(rows=2, height=2.6)
    looks = ((COLORS["relu"], "-"), (FAILURE, "--"))
    for (name, profile), (color, line) in zip(profiles.items(), looks, strict=True):
        left.plot(ratio + 1, profile, color=color, linestyle=line, label=name)
        k = int(np.argmin(profile))
        left.plot(ratio[k] + 1, profile[k], marker="o", color=color)
    left.axvline(0, color=EXACT, linewidth=0.8)
    left.set(xlabel="ratio B / A + 1", ylabel="loss / that of the exact")
    left.locator_params(axis="x", nbins=3)
    left.legend(loc="upper center", frameon=True, framealpha=1)
    right.semilogy(gains, falls, color=EXACT)
    right.set(xlabel="gain of the read-out (per step)", ylabel="loss of the exact counter")
    return figure


def unlearning(distance: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> Figure:
    """Draw what training makes of exact counters, by learning rate.

    distance: name -> |B / A + 1|, (epochs + 1, runs). right: name -> share of long words right, same shape.
    """
    figure, (left, other) = axes(rows=2, height=2.6, sharex=True)
    for k, name in enumerate(distance):
        look = {"color": plt.get_cmap("plasma")(0.05 + 0.22 * k), "linestyle": ("-", "--", "-.", ":")[k % 4]}
        for ax, values in ((left, np.maximum(distance[name], 1e-8)), (other, right[name])):
            spread(ax, np.arange(len(values)), values.T, 0.25, alpha=0.2, label=name, **look)
    left.set(yscale="log", ylabel="distance of B / A from −1")
    other.set(xlabel="epoch", ylabel="share of long words right", ylim=(-0.03, 1.03))
    other.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(figure, left, 2, title="learning rate")
    return figure
