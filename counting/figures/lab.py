"""One network along one word: what stands on the lab's page where no script runs, and what `show` draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from counting import evaluation
from counting.cells import Networks
from counting.dyck import Words
from counting.figures.style import BASELINE, COLORS, FAILURE, GATE_LOOKS, WIDTH, axes

BRACKETED = 40
"""Symbols of the longest word that is written under the steps."""


def first_failure(network: Networks, word: Words) -> Figure:
    """Depth, state, gates and outputs of one network: over the steps of a word, and beside it over the depth.

    The first wrong step is marked in both. network: a stack of one; word: a single one.
    """
    trace = evaluation.trace(network, word)
    failed = int(evaluation.first_failure(network, word)[0, 0])
    steps, depth, color = np.arange(word.longest), word.depth[0], COLORS[network.cell]
    rows: dict[str, dict[str, tuple[np.ndarray, str, str]]] = {"depth": {}}
    rows |= {"state c": {"c": (trace.c[0], color, "-")}} if network.cell == "lstm" else {}
    rows["state h"] = {"h": (trace.h[0], color, "-")}
    if trace.gates:
        rows["gates"] = {name: (values[0], *GATE_LOOKS[name]) for name, values in trace.gates.items()}
    rows["logits"] = {
        "may ( follow": (trace.logits[0, :, 0], BASELINE, "--"),
        "may ) follow": (trace.logits[0, :, 1], color, "-"),
    }
    shared: dict[str, Any] = {"sharex": "col", "sharey": "row", "width_ratios": [3, 1]}
    figure, flat = axes(columns=2, rows=len(rows), height=1.25, width=WIDTH, **shared)
    panels = np.array(flat).reshape(-1, 2)
    panels[0, 0].fill_between(steps, depth, step="mid", color=BASELINE, alpha=0.5, linewidth=0)
    panels[0, 1].set_visible(False)
    for (label, lines), (over_steps, over_depth) in zip(rows.items(), panels, strict=True):
        over_steps.set(ylabel=label)
        for name, (values, color, line) in lines.items():
            over_steps.plot(steps, values, line, color=color, label=name)
            over_depth.plot(depth, values, ".", color=color, markersize=3)
        if len(lines) > 1:
            over_steps.legend(loc="upper left", bbox_to_anchor=(0, 1.25), ncols=4, borderpad=0)
        if failed == word.longest:
            continue
        over_steps.axvline(failed, color=FAILURE, linestyle=(0, (4, 2)))
        if label != "gates":
            for values, *_ in lines.values():
                for ax, at in ((over_steps, failed), (over_depth, depth[failed])):
                    ax.plot(at, values[failed], "x", color=FAILURE, markersize=7, markeredgewidth=2)
    for ax in panels[-1]:
        ax.axhline(0, color=BASELINE, linewidth=1)
        ax.set_yscale("symlog", linthresh=1)
    panels[-1, 0].set(xlabel="step" if failed == word.longest else f"step (first wrong: {failed:,})")
    panels[-1, 1].set(xlabel="depth")
    panels[-1, 1].xaxis.get_major_locator().set_params(integer=True)
    panels[0, 0].yaxis.get_major_locator().set_params(integer=True)
    if word.longest <= BRACKETED:
        for step, bracket in enumerate(word.strings()[0]):
            panels[0, 0].annotate(
                bracket, (step, 0), (0, -10), textcoords="offset points", ha="center", fontsize=7, family="monospace"
            )
    return figure
