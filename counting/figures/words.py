"""Figures of chapter 01: words as mountain ranges, the splits' lengths, first returns, exact counters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from counting.dyck import Words
from counting.evaluation import Trace
from counting.figures import style

_GAP = 4
"""Symbols left free between two words on one axis."""


def profile(word: Words) -> np.ndarray:
    """Give the mountain range of a single word: depth before its first symbol and after each, (length + 1,)."""
    return np.concatenate([[0], word.depth[0, : word.lengths[0]]])


def mountains(short: Words, long: Words, zigzag: Words) -> Figure:
    """Draw a few short words with their brackets, one long word, and one zigzag: depth over steps."""
    figure, (top, middle, bottom) = style.axes(rows=3, height=1.5)
    start = 0
    marks: list[tuple[float, str]] = []
    for word in (short[i] for i in range(len(short))):
        length = int(word.lengths[0])
        _mountain(top, word, start)
        marks += zip(start + np.arange(length) + 0.5, word.strings()[0], strict=True)
        start += length + _GAP
    positions, brackets = zip(*marks, strict=True)
    top.set_xticks(positions, brackets, family="monospace")
    top.tick_params(axis="x", length=0)
    top.set(ylabel="depth", ylim=(0, 1.05 * short.depth.max()))
    top.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    for ax, word in ((middle, long), (bottom, zigzag)):
        _mountain(ax, word)
        style.training_limit(ax)
        ax.set(xlabel="step", ylabel="depth", ylim=(0, 1.35 * word.depth.max()))
        ax.margins(x=0.01)
    middle.legend(loc="upper right")
    return figure


def _mountain(ax: Axes, word: Words, start: int = 0) -> None:
    depth = profile(word)
    steps = start + np.arange(len(depth))
    ax.fill_between(steps, depth, color=style.BASELINE, alpha=0.25, linewidth=0)
    ax.plot(steps, depth, color=style.EXACT, linewidth=1.2)


def lengths(parts: Mapping[str, Words]) -> Figure:
    """How many in a hundred words of each set have which length. parts: label -> words, up to four sets."""
    figure, (ax,) = style.axes()
    looks = zip(("-", "--", ":", "-."), ("o", "s", "^", "D"), ("0", "0.35", "0.55", "0.7"), strict=True)
    for (label, words), (line, marker, grey) in zip(parts.items(), looks, strict=False):
        found, counts = np.unique(words.lengths, return_counts=True)
        ax.plot(found, 100 * counts / len(words), line, marker=marker, markersize=4, color=grey, label=label)
    ax.set(xlabel="length of the word (symbols)", ylabel="words of the set (%)", ylim=(0, None))
    ax.legend()
    return figure


def exact_counters(word: Words, traces: Mapping[str, Trace]) -> Figure:
    """Draw what each exact counter holds along `word`, over its depth; and its second logit at small depths."""
    figure, (left, right) = style.axes(rows=2, height=2.3)
    depth = profile(word)[1:]
    _mountain(left, word)
    every = max(1, len(depth) // 25)
    for place, (cell, trace) in enumerate(traces.items()):
        held = trace.c[0] if cell == "lstm" else trace.h[0]
        look = style.look(cell, linestyle="none")
        chosen = slice(place * every // 2, None, every)
        name = f"{style.CELL_NAMES[cell]}: {'c' if cell == 'lstm' else 'h'}"
        left.plot(np.arange(1, len(depth) + 1)[chosen], held[chosen], markersize=5, label=name, **look)
        low = depth <= 5
        right.plot(depth[low], trace.logits[0, low, 1], markersize=6, label=style.CELL_NAMES[cell], **look)
    left.set(xlabel="step", ylabel="depth, state", ylim=(0, None))
    left.legend()
    right.axhline(0, color=style.BASELINE, linestyle="--", linewidth=1, label="yes from here up")
    right.set(xlabel="depth", ylabel="logit: may ) follow?")
    right.legend()
    return figure


def first_returns(expected: np.ndarray, observed: np.ndarray) -> Figure:
    """First return to depth 0 in words of one length: what the grammar gives, and what the drawn words show.

    expected: (pairs,), probability that the first return is at 0-based step 1, 3, 5, …
    observed: (n,), such steps.
    """
    figure, (ax,) = style.axes(height=2.6)
    length, bins = 2 * len(expected), 20
    edges = np.linspace(0, length, bins + 1)
    steps = np.arange(1, length, 2)
    share, _ = np.histogram(steps, edges, weights=expected)
    found, _ = np.histogram(observed, edges)
    middles = (edges[1:] + edges[:-1]) / 2
    shown, width = 100 * found / len(observed), 0.8 * length / bins
    ax.bar(middles, shown, width, color=style.BASELINE, alpha=0.5, label=f"the {len(observed)} words drawn")
    ax.plot(middles, 100 * share, "o-", color=style.EXACT, markersize=4, linewidth=1, label="the grammar")
    ax.set(xlabel="step of the first return to depth 0", ylabel="words (%)")
    ax.legend(loc="upper center")
    return figure
