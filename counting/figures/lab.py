"""The figure that stands on the lab's page where no script runs: what the lab first shows."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from counting import evaluation
from counting.cells import Networks
from counting.dyck import Words
from counting.figures.style import BASELINE, COLORS, FAILURE, axes

GATE_LOOKS = {"i": ("#E69F00", "--"), "f": ("#0072B2", "-"), "g": ("#555555", ":"), "o": ("#56B4E9", "-.")}
"""As in the chapter on the LSTM; the page draws them the same way."""


def first_failure(lstm: Networks, word: Words) -> Figure:
    """Depth, cell state, gates and the answer on `)` of one LSTM along one word, the first wrong step marked."""
    trace = evaluation.trace(lstm, word)
    failed = int(evaluation.first_failure(lstm, word)[0, 0])
    steps = np.arange(word.longest)
    figure, panels = axes(rows=4, height=1.25, sharex=True)
    panels[0].fill_between(steps, word.depth[0], step="mid", color=BASELINE, alpha=0.5, linewidth=0)
    panels[1].plot(steps, trace.c[0], color=COLORS["lstm"])
    for name, (color, line) in GATE_LOOKS.items():
        panels[2].plot(steps, trace.gates[name][0], line, color=color, label=name)
    panels[3].plot(steps, trace.logits[0, :, 1], color=COLORS["lstm"])
    panels[3].axhline(0, color=BASELINE, linewidth=1)
    panels[3].set(xlabel="step")
    for ax, label in zip(panels, ("depth", "state c", "gates", "logit of )"), strict=True):
        ax.set(ylabel=label)
        if failed < word.longest:
            ax.axvline(failed, color=FAILURE, linestyle=(0, (4, 2)))
    if failed < word.longest:
        panels[3].plot(failed, trace.logits[0, failed, 1], "x", color=FAILURE, markersize=9, markeredgewidth=2.5)
    figure.legend(*panels[2].get_legend_handles_labels(), loc="outside upper center", ncols=4, title=None)
    return figure
