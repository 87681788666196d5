"""Figures of the chapter on the LSTM: gates and count along a word, their ranges, and why training stops."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from counting import evaluation
from counting.anatomy import lstm
from counting.cells import Networks
from counting.dyck import Words
from counting.figures import style
from counting.figures.style import BASELINE, COLORS, EXACT, FAILURE, GATE_LOOKS, LINES, MARKERS, axes

_FLOOR = 1e-9
"""Where a distance of exactly 0 is drawn on a logarithmic axis."""

_SYMBOLS = ("(", ")")


def along(nets: Mapping[str, Networks], word: Words) -> Figure:
    """Count, its error, and what gates lack to saturation along one word; a column a network of one run."""
    figure, grid = axes(columns=len(nets), rows=3, height=1.7, sharex=True, sharey="row")
    rows = np.array(grid).reshape(3, -1)
    depth = word.depth[0, : word.lengths[0]]
    for column, (label, net) in zip(rows.T, nets.items(), strict=True):
        trace = evaluation.trace(lstm.oriented(net), word)
        failed = int(evaluation.first_failure(net, word)[0, 0])
        column[0].plot(depth, color=BASELINE, linewidth=3, alpha=0.5, label="depth")
        column[0].plot(trace.c[0], color=COLORS["lstm"], linewidth=1.2, label="cell state c")
        column[1].plot(trace.c[0] - depth, color=COLORS["lstm"], linewidth=1.2)
        for name, values in trace.gates.items():
            color, line = GATE_LOOKS[name]
            distance = 1 - np.abs(values[0].astype(np.float64))
            column[2].semilogy(np.maximum(distance, _FLOOR), line, color=color, linewidth=1.2, label=name)
        if failed < len(depth):
            for ax in column:
                ax.axvline(failed, color=FAILURE, linewidth=1.5, zorder=0, label="wrong")
        column[0].set_title(label)
        column[2].set(xlabel="step", ylim=(_FLOOR / 2, 2))
    for ax, name in zip(rows[:, 0], ("count", "c − depth", "1 − |gate|"), strict=True):
        ax.set(ylabel=name)
    handles, labels = rows[2, 0].get_legend_handles_labels()
    gates = len(lstm.GATES)  # the first wrong step is in the legend above
    figure.legend(handles[:gates], labels[:gates], loc="outside lower center", ncols=gates)
    style.legend_above(figure, rows[0, 0], 3, columnspacing=1)
    return figure


def gate_ranges(ranges: np.ndarray, visited: np.ndarray) -> Figure:
    """Draw what gates lack to saturation, 1 − |activation|: each run a line, sorted; (runs, gate, symbol, 2) twice.

    ranges: over all h in [−1, 1]; visited: on the way to the first wrong step of a word.
    """
    figure, panels = axes(columns=2, rows=4, height=1.3, sharex=True, sharey=True)
    every, seen = (np.sort(np.maximum(_lacks(part), _FLOOR), axis=-1) for part in (ranges, visited))
    for panel, ax in enumerate(panels):
        gate, symbol = divmod(panel, 2)
        whole, part = every[:, gate, symbol], seen[:, gate, symbol]
        order = np.argsort(part[:, 1])
        x = np.arange(len(order))
        ax.vlines(x, *whole[order].T, color=BASELINE, alpha=0.45, linewidth=1.0, label="every h in [−1, 1]")
        ax.vlines(x, *part[order].T, color=COLORS["lstm"], linewidth=1.2, label="before the first wrong step")
        # Dots, so that a range of almost nothing is seen too.
        ax.plot(x, part[order], ".", color=COLORS["lstm"], markersize=1.5)
        ax.set_title(f"{lstm.GATES[gate]}  at  {_SYMBOLS[symbol]}")
        ax.set(yscale="log", ylim=(_FLOOR / 2, 2), xticks=[])
    figure.supxlabel("runs, sorted")
    figure.supylabel("1 − |activation|")
    style.legend_above(figure, panels[0])
    return figure


def _lacks(activations: np.ndarray) -> np.ndarray:
    """Smallest and largest 1 − |activation| over ranges (…, 2); 1 is reached where a candidate passes 0."""
    ends = 1 - np.abs(activations.astype(np.float64))
    passes_zero = (activations[..., :1] < 0) & (activations[..., 1:] > 0)
    return np.concatenate([ends.min(-1, keepdims=True), np.where(passes_zero, 1.0, ends.max(-1, keepdims=True))], -1)


def increments(far: lstm.Deep) -> Figure:
    """Top: what `(` adds against what `)` takes off. Below: what each forgets, sorted. One point a run."""
    figure, (left, right) = axes(rows=2, height=2.6)
    up, down = far.increment[:, 0], -far.increment[:, 1]
    ends = np.array([min(up.min(), down.min()), 1.0])
    left.plot(ends, ends, color=EXACT, linewidth=0.8, label="equal")
    left.plot(1, 1, "*", color=EXACT, markersize=12, label="exact counter", clip_on=False, zorder=3)
    left.plot(up, down, MARKERS["lstm"], color=COLORS["lstm"], markersize=4, alpha=0.6, label="trained run")
    left.set(xlabel="( adds", ylabel=") takes off")
    left.legend(loc="lower right")
    share = (np.arange(len(up)) + 0.5) / len(up)
    for symbol, (line, shade) in enumerate((("-", 0.55), ("--", 1.0))):
        forgotten = np.sort(1 - far.forget[:, symbol])
        label = f"at {_SYMBOLS[symbol]}"
        right.semilogx(forgotten, share, line, color=COLORS["lstm"], alpha=shade, label=label)
    right.set(xlabel="1 − f, forgotten at each bracket", ylabel="share of runs below")
    right.legend(loc="upper left")
    return figure


def brackets_lost(peaks: np.ndarray, predicted: np.ndarray, observed: np.ndarray) -> Figure:
    """How many `)` too early (^n )^n is called over, by n: closed form and as run, both (runs, peaks)."""
    figure, (left, right) = axes(rows=2, height=2.6)
    shown = np.argsort(predicted[:, -1])[np.linspace(0, len(predicted) - 1, 9).astype(int)]
    for run in shown:
        formula, seen = np.maximum(predicted[run], 0.3), np.maximum(observed[run], 0.3)
        left.loglog(peaks, formula, color=COLORS["lstm"], linewidth=0.9)
        left.loglog(peaks, seen, MARKERS["lstm"], color=COLORS["lstm"], markersize=4)
    left.plot([], [], MARKERS["lstm"], color=COLORS["lstm"], markersize=4, label="network run on the word")
    left.plot([], [], color=COLORS["lstm"], label="closed form from the weights")
    left.axvline(25, color=BASELINE, linestyle="--", linewidth=1, label="deepest possible in training")
    left.set(xlabel="n, peak of (ⁿ )ⁿ", ylabel="brackets lost")
    style.legend_above(figure, left)
    right.plot([0.3, observed.max()], [0.3, observed.max()], color=EXACT, linewidth=0.8)
    right.loglog(np.maximum(np.floor(predicted), 0.3).ravel(), np.maximum(observed, 0.3).ravel(), ".",
                 color=COLORS["lstm"], markersize=4, alpha=0.4)  # fmt: skip
    right.set(xlabel="brackets lost, predicted", ylabel="brackets lost, observed")
    return figure


def flat_loss(epochs: np.ndarray, curves: Mapping[str, np.ndarray], epsilon: float) -> Figure:
    """Through training, medians and middle 80 % of runs: loss and gradient; read-out; the gates.

    curves: name -> (epochs, runs), names as used below.
    """
    figure, (left, middle, right) = axes(rows=3, height=1.8, sharex=True)
    ours, other = (COLORS["lstm"], LINES["lstm"]), (EXACT, "--")
    for ax, name, label, (color, line) in (
        (left, "loss", "validation loss", ours),
        (left, "gradient", "gradient of a word", other),
        (middle, "readout", "read-out weight", ours),
        (right, "mismatch", "mismatch |a₍ − a₎|", ours),
        (right, "forgotten", "1 − f at )", other),
    ):
        style.spread(ax, epochs, curves[name].T, 0.1, label=label, color=color, linestyle=line)
    left.axhline(epsilon, color=FAILURE, linestyle=":", label="Adam's ε")
    left.set(yscale="log")
    middle.set(ylim=(0, None))
    right.set(yscale="log", ylim=(None, 0.3), xlabel="epoch")  # room for the legend
    for ax, title in ((left, "loss, gradient"), (middle, "read-out weight"), (right, "gates")):
        ax.set_title(title, loc="left")
    for ax in (left, right):
        ax.legend(loc="upper right")
    return figure


def predictor(predicted: np.ndarray, observed: np.ndarray, epochs: np.ndarray) -> Figure:
    """Mean first failure of each network, predicted against observed: (epochs, runs), shaded by epoch."""
    figure, (ax,) = axes(height=3.6)
    for row, epoch in enumerate(epochs):
        shade = 0.25 + 0.75 * row / max(len(epochs) - 1, 1)
        ax.plot(predicted[row], observed[row], MARKERS["lstm"], color=COLORS["lstm"], alpha=shade, markersize=3.5,
                markeredgewidth=0, label=f"epoch {epoch}")  # fmt: skip
    ends = [min(predicted.min(), observed.min()), max(predicted.max(), observed.max())]
    ax.plot(ends, ends, color=EXACT, linewidth=0.8)
    ax.set(xlabel="mean first failure, predicted", ylabel="mean first failure, observed")
    ax.legend(loc="upper left")
    return figure


def hits(labels: list[str], shares: Mapping[str, np.ndarray]) -> Figure:
    """Share of failing steps predicted to the symbol; label -> (sets of words, 3): share, low, high."""
    figure, (ax,) = axes(height=3.0)
    x = np.arange(len(labels))
    looks = ((-0.12, COLORS["lstm"], "o"), (0.12, BASELINE, "D"))
    for (shift, color, marker), (label, share) in zip(looks, shares.items(), strict=True):
        error = np.abs(share[:, 1:].T - share[:, 0])
        ax.errorbar(x + shift, share[:, 0], error, fmt=marker, color=color, markersize=5, capsize=2, label=label)
    ax.set_xticks(x, labels)
    ax.set(xlabel="peak of the zigzag", ylabel="predicted to the symbol", ylim=(-0.03, 1.03))
    ax.legend(loc="upper right")
    return figure
