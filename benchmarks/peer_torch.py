"""The peer in PyTorch: `torch.func` over runs side by side, eager or compiled by `torch.compile`.

The compiled update holds the steps of one word unrolled, so it is compiled anew for each length; that takes some
20 s, hence it is measured on words of one length. Words of several lengths are read by the eager one, cut to the
longest that any run reads.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import peer_cells
import torch

from counting.dyck import Words

F = SimpleNamespace(where=torch.where, sigmoid=torch.sigmoid, tanh=torch.tanh, relu=torch.relu)


def loss(cell: str, p: torch.Tensor, closing: torch.Tensor, deep: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """p: (parameters, …); closing, deep, share: (steps, …); share is 1 / length, 0 beyond a word's end."""
    w = peer_cells.weights(cell, p)
    h = c = total = torch.zeros_like(p[0])
    for t in range(len(closing)):
        h, c, _ = peer_cells.step(F, cell, w, closing[t], h, c)
        a, b = (torch.sigmoid(z) for z in peer_cells.logits(w, h))
        total = total + ((a - 1) ** 2 + (b - deep[t]) ** 2) * share[t] / 2
    return total


def update(cell, vmap, p, m, v, k, closing, deep, share, rate):  # noqa: PLR0913
    """Read a word of every run: gradient and a step of Adam."""
    rows = torch.unbind(p)
    if vmap:
        gradient = torch.func.grad(lambda *x: loss(cell, *x))
        g = torch.func.vmap(gradient, in_dims=-1, out_dims=-1)(rows, closing, deep, share)
    else:
        g = torch.func.grad(lambda *x: loss(cell, *x).sum())(rows, closing, deep, share)
    g = torch.stack(g)
    m, v = m + 0.1 * (g - m), 0.999 * v + 0.001 * g * g
    return p - rate / (1 - 0.9**k) * m / (torch.sqrt(v) / torch.sqrt(1 - 0.999**k) + 1e-8), m, v


class Training:
    """An epoch of many runs. `way`: "vmap" or "compiled". `compiled_in`: seconds."""

    def __init__(self, cell: str, way: str, start: np.ndarray, words: Words, order: np.ndarray, rate: float):
        self.cell, self.way, self.start, self.rate = cell, way, torch.from_numpy(start), rate
        self.closing = torch.from_numpy((words.tokens == 1).T.copy())
        self.deep = torch.from_numpy((words.depth > 0).T.astype(np.float32))
        self.lengths, self.order = torch.from_numpy(words.lengths.copy()), torch.from_numpy(order).long()
        self.update = torch.compile(update, dynamic=False, fullgraph=True) if way == "compiled" else update
        began = time.perf_counter()
        self.train(self.order[:1])
        self.compiled_in = time.perf_counter() - began

    def train(self, order: torch.Tensor) -> torch.Tensor:
        """Train from the start, on the words in this order."""
        p, m, v = self.start.clone(), torch.zeros_like(self.start), torch.zeros_like(self.start)
        for k, word in enumerate(order):
            length = self.lengths[word]
            steps = torch.arange(int(length.max()))[:, None]
            share = torch.where(steps < length, 1 / length, 0.0)
            batch = self.closing[: len(steps), word], self.deep[: len(steps), word], share
            done = torch.tensor(float(k + 1))
            p, m, v = self.update(self.cell, self.way == "vmap", p, m, v, done, *batch, self.rate)
        return p

    def __call__(self) -> np.ndarray:
        """Train from the start; returns the parameters, (parameters, runs)."""
        return self.train(self.order).numpy()


def read(cell, p, h, c, first, closing, deep, t):  # noqa: PLR0913
    """Read some symbols of some words by every run. h, c, first: (words, runs); closing, deep: (steps, words, 1)."""
    w = peer_cells.weights(cell, p)
    for k in range(len(closing)):
        h, c, _ = peer_cells.step(F, cell, w, closing[k], h, c)
        a, b = peer_cells.logits(w, h)
        right = (a >= 0) & torch.where(deep[k], b >= 0, b < 0)
        first = torch.where(right, first, torch.minimum(first, t + k))
    return h, c, first


class Evaluation:
    """First failures of many runs on words of one length, read to their ends, some words and symbols at a time."""

    SYMBOLS = 10

    def __init__(self, cell: str, way: str, start: np.ndarray, words: Words, at_a_time: int = 16):
        self.cell, self.p, self.at_a_time = cell, torch.from_numpy(start), at_a_time
        self.closing = torch.from_numpy((words.tokens == 1).T.copy())[:, :, None]
        self.deep = torch.from_numpy((words.depth > 0).T.copy())[:, :, None]
        self.read = torch.compile(read, dynamic=False, fullgraph=True) if way == "compiled" else read
        began = time.perf_counter()
        self.read_words(slice(0, at_a_time))
        self.compiled_in = time.perf_counter() - began

    @torch.no_grad()
    def read_words(self, which: slice) -> torch.Tensor:
        """Find the first failures on these words."""
        closing, deep = self.closing[:, which], self.deep[:, which]
        h = c = torch.zeros(closing.shape[1], self.p.shape[1])
        first = torch.full(h.shape, len(closing))
        for t in range(0, len(closing), self.SYMBOLS):
            part = slice(t, t + self.SYMBOLS)
            h, c, first = self.read(self.cell, self.p, h, c, first, closing[part], deep[part], torch.tensor(t))
        return first

    def __call__(self) -> np.ndarray:
        """int64 (runs, words)"""
        parts = range(0, self.closing.shape[1], self.at_a_time)
        return torch.cat([self.read_words(slice(a, a + self.at_a_time)) for a in parts]).T.numpy()
