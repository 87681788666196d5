"""The peer in JAX: many runs side by side, a whole epoch in one jitted `lax.scan` over words, buffers donated.

Two ways to the gradient: `jax.grad` of a `vmap` of a `lax.scan` over the symbols, as one would write it; and one
written by hand, whose loops over the symbols end at the longest word that any run reads. The second is the faster.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import peer_cells
from jax import lax

from counting import cells

if TYPE_CHECKING:
    from peers import Task

F = SimpleNamespace(where=jnp.where, sigmoid=jax.nn.sigmoid, tanh=jnp.tanh, relu=jax.nn.relu)
WORDS = 16
"""Words that are read at a time, so that the lanes of a step fit the cache."""


def automatic_gradient(cell: str, p: jax.Array, closing: jax.Array, deep: jax.Array, length: jax.Array) -> jax.Array:
    """By `jax.grad`. p: (parameters, runs); closing, deep: (steps, runs), padded; length: (runs,)."""

    def loss(rows, closing, deep, length):
        w = peer_cells.weights(cell, rows)

        def read(carry, symbol):
            h, c, total = carry
            t, x, y = symbol
            h, c, _ = peer_cells.step(F, cell, w, x, h, c)
            a, b = (F.sigmoid(z) for z in peer_cells.logits(w, h))
            error = (a - 1) ** 2 + (b - y) ** 2
            return (h, c, total + jnp.where(t < length, error, 0)), None

        zero = jnp.zeros(())
        symbols = (jnp.arange(len(closing)), closing, deep.astype(jnp.float32))
        return lax.scan(read, (zero, zero, zero), symbols)[0][2] / (2 * length)

    # By rows: the gradient of an index into one array would be an array of zeros for each use.
    return jnp.stack(jax.vmap(jax.grad(loss), in_axes=-1, out_axes=-1)(tuple(p), closing, deep, length))


def written_gradient(cell: str, p: jax.Array, closing: jax.Array, deep: jax.Array, length: jax.Array) -> jax.Array:
    """By hand, with a tape. Arguments as above."""
    g, w, zero = cells.gates(cell), peer_cells.weights(cell, p), jnp.zeros(p.shape[1:])
    share, steps = 1 / length.astype(jnp.float32), length.max()
    kept = {"lstm": 7, "gru": 5, "relu": 2}[cell]

    def forward(t, carry):
        h, c, states, tape = carry
        h, c, values = peer_cells.step(F, cell, w, closing[t], h, c)
        tape = tuple(lax.dynamic_update_index_in_dim(a, v, t, 0) for a, v in zip(tape, values, strict=True))
        return h, c, lax.dynamic_update_index_in_dim(states, h, t, 0), tape

    empty = jnp.zeros((len(closing), *zero.shape))
    _, _, states, tape = lax.fori_loop(0, steps, forward, (zero, zero, empty, (empty,) * kept))

    def back(j, carry):
        t = steps - 1 - j
        dh, dc, sums = carry
        values = tuple(a[t] for a in tape)
        h, x, inside = states[t], closing[t], jnp.where(t < length, share, 0)
        a, b = (F.sigmoid(z) for z in peer_cells.logits(w, h))
        da, db = (a - 1) * a * (1 - a) * inside, (b - deep[t]) * b * (1 - b) * inside
        dh, dc, d, recall = peer_cells.step_back(F, cell, w, values, dh + da * w.out[0] + db * w.out[1], dc)
        to_state = d if recall is None else [*d[:2], recall]
        new = [da * h, db * h, da, db, *d, *(jnp.where(x, q, 0) for q in d), *(q * values[-1] for q in to_state)]
        new += [] if recall is None else [recall]
        return dh, dc, tuple(s + n for s, n in zip(sums, new, strict=True))

    count = 4 + 3 * g + (cell == "gru")
    _, _, sums = lax.fori_loop(0, steps, back, (zero, zero, (zero,) * count))
    bias, on_closing, recurrent = sums[4 : 4 + g], sums[4 + g : 4 + 2 * g], sums[4 + 2 * g : 4 + 3 * g]
    inputs = [row for b, c in zip(bias, on_closing, strict=True) for row in (b - c, c)]
    hidden = bias if cell != "gru" else (*bias[:2], sums[-1])
    return jnp.stack([*sums[:4], *inputs, *recurrent, *bias, *hidden])


GRADIENTS = {"automatic": automatic_gradient, "written": written_gradient}


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2,))
def train_epoch(cell, gradient, state, closing, deep, lengths, order, rate):  # noqa: PLR0913
    """Every run reads its words one by one. state: p, both moments, count of steps. order: (words, runs)."""

    def read(state, word):
        p, m, v, k = state
        g = GRADIENTS[gradient](cell, p, closing[:, word], deep[:, word], lengths[word])
        k = k + 1
        m, v = m + 0.1 * (g - m), 0.999 * v + 0.001 * g * g
        correction = jnp.sqrt(1 - 0.999**k)
        p = p - rate / (1 - 0.9**k) * m / (jnp.sqrt(v) / correction + 1e-8)
        return (p, m, v, k), None

    return lax.scan(read, state, order)[0]


def training(task: Task, gradient: str) -> Callable[[], np.ndarray]:
    """Prepare an epoch of many runs, "automatic" or "written", which returns the parameters: (parameters, runs)."""
    words, start = task.data, peer_cells.rows_of(task.start())
    closing, deep = jnp.asarray((words.tokens == 1).T.copy()), jnp.asarray((words.depth > 0).T.copy())
    lengths, order = jnp.asarray(words.lengths), jnp.asarray(task.order())

    def train() -> np.ndarray:
        p = jnp.array(start)
        state = p, jnp.zeros_like(p), jnp.zeros_like(p), jnp.float32(0)
        return np.asarray(train_epoch(task.cell, gradient, state, closing, deep, lengths, order, task.rate)[0])

    return train


@functools.partial(jax.jit, static_argnums=0)
def first_failures(cell, p, closing, deep, lengths):
    """Find the first failures, int32 (parts, words, runs). closing, deep: (parts, words, steps)."""
    w = peer_cells.weights(cell, p)

    def read(part):
        closing, deep, lengths = part
        lanes = jnp.zeros((len(lengths), p.shape[1]))

        def one(t, carry):
            h, c, first = carry
            h, c, _ = peer_cells.step(F, cell, w, closing[:, t, None], h, c)
            a, b = peer_cells.logits(w, h)
            right = (a >= 0) & jnp.where(deep[:, t, None], b >= 0, b < 0)
            wrong = ~right & (t < lengths[:, None])
            return h, c, jnp.where(wrong, jnp.minimum(first, t), first)

        first = jnp.broadcast_to(lengths[:, None], lanes.shape)
        return lax.fori_loop(0, lengths.max(), one, (lanes, lanes, first))[2]

    return lax.map(read, (closing, deep, lengths))


def evaluation(task: Task) -> Callable[[], np.ndarray]:
    """Prepare the reading of words to their ends, which returns first failures: int64 (runs, words)."""
    words, p = task.data, jnp.asarray(peer_cells.rows_of(task.start()))
    shape = (-1, WORDS, words.longest)
    closing, deep = jnp.asarray((words.tokens == 1).reshape(shape)), jnp.asarray((words.depth > 0).reshape(shape))
    lengths = jnp.asarray(words.lengths.reshape(-1, WORDS))

    def read() -> np.ndarray:
        found = np.asarray(first_failures(task.cell, p, closing, deep, lengths))
        return found.reshape(-1, found.shape[-1]).T.astype(np.int64)

    return read
