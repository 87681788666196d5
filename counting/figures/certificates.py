"""Figures of the chapter on certificates: the band of reachable states, shortest failing words, random tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from counting.dyck import Words
from counting.figures.style import BASELINE, CELL_NAMES, COLORS, EXACT, FAILURE, MARKERS, axes
from counting.figures.words import profile

_PIECES = re.compile(r"(?:\(\))+|\(+?(?=\(\))|\)+")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def outline(word: Words, shown: int = 4) -> str:
    """Write a single word by its runs, the number of repetitions raised: (()()) is (¹ ()² )¹.

    A word of more than `shown` runs ends in "…".
    """
    pieces = _PIECES.findall(word.strings()[0])
    texts = []
    for piece in pieces[:shown]:
        unit = "()" if piece.startswith("()") else piece[0]
        texts.append(unit + str(len(piece) // len(unit)).translate(_SUPERSCRIPTS))
    return " ".join(texts + ["…"] * (len(pieces) > shown))


def band(low: NDArray, high: NDArray, threshold: float, lengths: Sequence[int]) -> Figure:
    """Draw the smallest and largest states that a counter reaches, less depth, and the read-out's threshold.

    low, high: (longest + 1, depths), in steps, of the prefixes of each length and depth; not finite where there is
    none. threshold: in steps. lengths: of words; the last is that of the shortest word that fails.
    """
    figure, (left, right) = axes(rows=2, height=2.9)
    t, d = np.indices(low.shape)
    with np.errstate(invalid="ignore"):
        bottom, top = low - d, high - d
    for length, shade in zip(lengths[::-1], np.linspace(0.2, 0.75, len(lengths)), strict=True):
        counts = (t + d <= length) & np.isfinite(bottom)
        deepest = length // 2 + 1
        least = np.where(counts, bottom, np.inf).min(axis=0)[:deepest]
        most = np.where(counts, top, -np.inf).max(axis=0)[:deepest]
        left.fill_between(np.arange(deepest), least, most, color=COLORS["relu"], alpha=shade, linewidth=0,
                          label=f"{length:,} symbols")  # fmt: skip
    left.set(xlabel="depth", ylabel="state less depth (steps)")
    left.legend(title="words of up to", loc="best")

    def ends(depth: int, ax_label: str, line: str) -> None:
        steps = np.arange(depth, lengths[-1] + 1 - depth, 2)
        steps = steps[steps > 0]
        worst = low[steps, depth] if depth else high[steps, 0]
        right.plot(steps, worst, line, color=COLORS["relu"], label=ax_label)
        wrong = worst < threshold if depth else worst >= threshold
        if wrong.any():
            first = wrong.argmax()
            right.plot(steps[first], worst[first], "X", color=FAILURE, markeredgecolor=EXACT, markersize=9, zorder=3)

    ends(1, "smallest at depth 1", "-")
    ends(0, "largest at depth 0", "--")
    right.axhline(threshold, color=BASELINE, linestyle=":", linewidth=1.2, label="threshold")
    right.set(xlabel="symbols read", ylabel="state (steps)")
    right.legend(loc="center left")
    return figure


def possible(shortest: Mapping[str, NDArray], mean: Mapping[str, NDArray], longest: int) -> Figure:
    """Mean first failure on random words over the length of the shortest word that fails: a panel a cell.

    Both by cell, in symbols; networks without a failing word of up to `longest` symbols stand at the right, hollow.
    """
    figure, panels = axes(rows=len(shortest), height=2.0, sharex=True, sharey=True)
    curve = np.geomspace(10, longest, 100)
    for ax, (cell, x) in zip(panels, shortest.items(), strict=True):
        look: dict[str, Any] = {"marker": MARKERS[cell], "s": 18, "linewidth": 0.8, "edgecolors": COLORS[cell]}
        found = x <= longest
        ax.scatter(x[found], mean[cell][found], color=COLORS[cell], alpha=0.4, **look)
        if not found.all():
            right = np.full((~found).sum(), 1.5 * longest)
            ax.scatter(right, mean[cell][~found], color="none", label="no failing word", **look)
            ax.legend(loc="lower right")
        ax.plot(curve, curve, color=BASELINE, linestyle="--", linewidth=1)
        ax.set(xscale="log", ylim=(0, 1.08 * longest))
        ax.set_title(CELL_NAMES[cell], loc="left")
    panels[-1].set_xlabel("shortest failing word (symbols)")
    figure.supylabel("mean first failure on random words (step)")
    return figure


def passed(shortest: NDArray, missed: NDArray, cells: Sequence[str], length: int, longest: int) -> Figure:
    """Networks that pass a random test: other random words that find them, over the shortest word that refutes them.

    shortest: (networks,) in symbols, 0 where no word of up to `longest` does. missed: (networks,).
    cells: whose they are. length: of the random words.
    """
    figure, (ax,) = axes(height=2.8)
    place = np.where(shortest > 0, shortest, 1.3 * longest)
    for cell in dict.fromkeys(cells):
        own = np.array(cells) == cell
        for which, face in (
            ((shortest > length) | (shortest == 0), "none"),
            ((shortest > 0) & (shortest <= length), COLORS[cell]),
        ):
            here = own & which
            ax.scatter(place[here], missed[here], marker=MARKERS[cell], s=32, facecolors=face, edgecolors=COLORS[cell])
        ax.scatter([], [], marker=MARKERS[cell], color=COLORS[cell], label=f"{CELL_NAMES[cell]} ({own.sum()})")
    ax.axvline(length, color=BASELINE, linestyle="--", linewidth=1)
    ax.set(
        xscale="log",
        xlabel="shortest word that refutes it (symbols)",
        ylabel="random words on which\nit fails (of 10,000)",
    )
    ticks = [500, 1000, 2000, 5000]
    ax.set_xticks([*ticks, 1.3 * longest], [*(f"{tick:,}" for tick in ticks), "none found"])
    ax.minorticks_off()
    if cells:
        ax.legend(loc="upper center")
    return figure


def words(found: Mapping[str, Words], cells: Sequence[str]) -> Figure:
    """Words as mountain ranges, one panel each. found: title -> word; cells: whose they are, in order."""
    figure, panels = axes(rows=len(found), height=1.3)
    for ax, (title, word), cell in zip(panels, found.items(), cells, strict=False):
        depth = profile(word)
        ax.fill_between(np.arange(len(depth)), depth, color=COLORS[cell], alpha=0.25, linewidth=0)
        ax.plot(depth, color=COLORS[cell], linewidth=1.1)
        ax.set_title(title, loc="left")
        ax.set(ylabel="depth", ylim=(0, None))
        ax.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    panels[-1].set_xlabel("symbols")
    return figure


def missed(sizes: NDArray, shares: Mapping[str, Mapping[int, NDArray]]) -> Figure:
    """Share of wrong networks that pass a test of so many random words. shares: cell -> length of words -> (sizes,)."""
    figure, panels = axes(rows=len(shares), height=2.0, sharex=True, sharey=True)
    looks: tuple[Any, ...] = ("-", "--", "-.", ":")
    for ax, (cell, by_length) in zip(panels, shares.items(), strict=True):
        for share, line in zip(by_length.values(), looks, strict=False):
            ax.plot(sizes, 100 * share, line, color=COLORS[cell])
        ax.set(xscale="log", ylim=(-2, 102))
        ax.set_title(CELL_NAMES[cell], loc="left")
    keys = [Line2D([], [], color=EXACT, linestyle=line) for line in looks]
    names = [f"{length:,} symbols" for length in next(iter(shares.values()))]
    figure.legend(keys[: len(names)], names, loc="outside upper center", ncols=2)
    panels[-1].set_xlabel("random words in the test")
    figure.supylabel("wrong networks that pass (%)")
    return figure
