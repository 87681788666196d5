"""The picture on the first page: a network counts, loses count, and is put right."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from counting import evaluation
from counting.anatomy import lstm
from counting.cells import Networks
from counting.dyck import Words
from counting.figures import style


def finding(
    network: Networks, short: Words, long: Words, lengths: np.ndarray, accuracy: Mapping[str, np.ndarray]
) -> Figure:
    """Draw an LSTM of one run that counts on a short word and drifts on a long one; below, who stays right how long.

    accuracy: name of a set of networks -> share of words right, (runs, lengths); the first are as trained.
    """
    figure = plt.figure(FigureClass=style.Drawn, figsize=(style.NARROW, 5.3), layout="constrained")
    grid = figure.subplot_mosaic([["counts", "drifts"], ["stays", "stays"]], height_ratios=(1, 1.25))
    _count(grid["counts"], network, short)
    _drift(grid["drifts"], network, long)
    _share_right(grid["stays"], lengths, accuracy)
    return figure


def _count(ax: Axes, network: Networks, word: Words) -> None:
    steps = np.arange(word.longest)
    ax.fill_between(steps, word.depth[0], step="mid", color=style.BASELINE, alpha=0.5, linewidth=0, label="depth")
    ax.plot(steps, evaluation.trace(lstm.oriented(network), word).c[0], color=style.COLORS["lstm"], label="state c")
    ax.set(xlabel="step", ylim=(-0.3, 1.6 * word.depth.max()))
    ax.set_title(f"1  counts, to {word.longest}", loc="left")
    ax.legend(loc="upper right", ncols=1)


def _drift(ax: Axes, network: Networks, word: Words) -> None:
    error = evaluation.trace(lstm.oriented(network), word).c[0] - word.depth[0]
    ax.axhline(0, color=style.BASELINE, linewidth=1)
    ax.plot(error, color=style.COLORS["lstm"], linewidth=1)
    if (failed := int(evaluation.first_failure(network, word)[0, 0])) < word.longest:
        ax.axvline(failed, color=style.FAILURE, linewidth=2)
        ax.text(failed + 20, 0.3, f"wrong: step {failed}", va="bottom")
    ax.set(xlabel="step", ylabel="c − depth", ylim=(min(-3, error.min()), 1))
    ax.set_title("2  drifts, and fails", loc="left")


def _share_right(ax: Axes, lengths: np.ndarray, accuracy: Mapping[str, np.ndarray]) -> None:
    looks = zip((style.COLORS["lstm"], style.EXACT, style.COLORS["relu"]), ("-", "--", ":"), (2, 1.5, 3.5), strict=True)
    for (name, values), (color, line, width) in zip(accuracy.items(), looks, strict=False):
        ax.plot(lengths, 100 * values.mean(axis=0), line, color=color, linewidth=width, label=name)
    ax.axvline(style.TRAINING_LIMIT, color=style.BASELINE, linestyle="--", linewidth=1, label="longest training word")
    ax.set(xscale="log", xlabel="length of the word (symbols)", ylabel="words right (%)", ylim=(-3, 106))
    ax.set_xticks([2, 10, 50, 200, 1000, 2000], ["2", "10", "50", "200", "1,000", ""])
    ax.minorticks_off()
    ax.set_title("3  or stays, once saturated", loc="left")
    # On a ground of its own, over the dashed line.
    ax.legend(loc="lower left", frameon=True, facecolor="white", edgecolor="none", framealpha=1)
