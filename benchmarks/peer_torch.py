"""The peer in PyTorch: `torch.func` over runs side by side, eager or compiled by `torch.compile`.

The compiled update holds the steps of one word unrolled, so it is compiled anew for each length; that takes some
20 s, hence it is measured on words of one length. Words of several lengths are read by the eager one, cut to the
longest that any run reads.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import peer_cells
import torch

if TYPE_CHECKING:
    from peers import Task

torch.set_num_threads(1)

F = SimpleNamespace(where=torch.where, sigmoid=torch.sigmoid, tanh=torch.tanh, relu=torch.relu)
SYMBOLS, WORDS = 10, 16
"""What is read at a time."""


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


def training(task: Task, way: str) -> Callable[[], np.ndarray]:
    """Prepare an epoch of many runs, "vmap" or "compiled", which returns the parameters: (parameters, runs)."""
    words, start = task.data, torch.from_numpy(peer_cells.rows_of(task.start()))
    closing = torch.from_numpy((words.tokens == 1).T.copy())
    deep = torch.from_numpy((words.depth > 0).T.astype(np.float32))
    lengths, order = torch.from_numpy(words.lengths.copy()), torch.from_numpy(task.order()).long()
    step = torch.compile(update, dynamic=False, fullgraph=True) if way == "compiled" else update

    def train() -> np.ndarray:
        p, m, v = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
        for k, word in enumerate(order):
            length = lengths[word]
            steps = torch.arange(int(length.max()))[:, None]
            share = torch.where(steps < length, 1 / length, 0.0)
            batch = closing[: len(steps), word], deep[: len(steps), word], share
            p, m, v = step(task.cell, way == "vmap", p, m, v, torch.tensor(float(k + 1)), *batch, task.rate)
        return p.numpy()

    return train


def read(cell, p, h, c, first, closing, deep, t):  # noqa: PLR0913
    """Read some symbols of some words by every run. h, c, first: (words, runs); closing, deep: (steps, words, 1)."""
    w = peer_cells.weights(cell, p)
    for k in range(len(closing)):
        h, c, _ = peer_cells.step(F, cell, w, closing[k], h, c)
        a, b = peer_cells.logits(w, h)
        right = (a >= 0) & torch.where(deep[k], b >= 0, b < 0)
        first = torch.where(right, first, torch.minimum(first, t + k))
    return h, c, first


def evaluation(task: Task, way: str) -> Callable[[], np.ndarray]:
    """Prepare the reading of words of one length to their ends, which returns first failures: (runs, words)."""
    words, p = task.data, torch.from_numpy(peer_cells.rows_of(task.start()))
    closing = torch.from_numpy((words.tokens == 1).T.copy())[:, :, None]
    deep = torch.from_numpy((words.depth > 0).T.copy())[:, :, None]
    part = torch.compile(read, dynamic=False, fullgraph=True) if way == "compiled" else read

    def some(which: slice) -> torch.Tensor:
        h = c = torch.zeros(closing[:, which].shape[1], p.shape[1])
        first = torch.full(h.shape, len(closing))
        for t in range(0, len(closing), SYMBOLS):
            now = slice(t, t + SYMBOLS), which
            h, c, first = part(task.cell, p, h, c, first, closing[now], deep[now], torch.tensor(t))
        return first

    @torch.no_grad()
    def read_all() -> np.ndarray:
        return torch.cat([some(slice(a, a + WORDS)) for a in range(0, len(words), WORDS)]).T.numpy()

    return read_all
