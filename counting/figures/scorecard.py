"""The figure of the scorecard: what was measured for each claim, beside what its rule asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from counting.figures.style import BASELINE, EXACT, FAILURE, axes


def evidence(rows: Mapping[str, tuple[float, float, float, float, float]]) -> Figure:
    """Draw shares with their intervals, one row each, over the span in which the claim's rule is met.

    rows: label -> (share, low, high, from, to), the last two of the rule. Filled where all of the interval is inside.
    """
    figure, (ax,) = axes(height=0.9 + 0.3 * len(rows))
    for row, (share, low, high, least, most) in enumerate(rows.values()):
        ax.barh(row, most - least, left=least, height=0.8, color=BASELINE, alpha=0.3, linewidth=0)
        met = least <= low and high <= most
        look: dict[str, Any] = {"color": EXACT if met else FAILURE, "markerfacecolor": EXACT if met else "white"}
        ax.errorbar(share, row, xerr=[[share - low], [high - share]], fmt="o" if met else "D", capsize=3, **look)
    ax.set_yticks(range(len(rows)), rows)
    ax.invert_yaxis()
    ax.set(xlim=(-0.03, 1.03), xlabel="share (grey: rule met)")
    return figure
