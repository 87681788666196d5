"""The cells once more, for the peers: elementwise on rows of runs, in whatever array library they are given.

Parameters are rows, (parameters, runs), in the order of `rows_of`. With the runs innermost every operation is
elementwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from counting import cells
from counting.cells import Networks

NAMES = ("output.weight", "output.bias", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def rows_of(nets: Networks) -> np.ndarray:
    """Parameters as (parameters, runs)."""
    return np.concatenate([nets.parameters[name].reshape(len(nets), -1) for name in NAMES], axis=1).T.copy()


class Weights(NamedTuple):
    """What a step reads, each entry one row of runs. A list has one entry a gate."""

    out: Sequence[Any]
    """Read-out: two weights, two biases."""
    opened: Sequence[Any]
    closed: Sequence[Any]
    """What `(` and `)` add to a pre-activation, biases included."""
    recurrent: Sequence[Any]
    recalled: Any
    """The bias inside the GRU's reset gate."""


def weights(cell: str, p: Any) -> Weights:
    """Sort the rows of `p`; biases that always act together are added once a word."""
    g = cells.gates(cell)
    w_in, w_hh, b_in, b_hh = (4 + k * g for k in (0, 2, 3, 4))
    bias = [p[b_in + k] + p[b_hh + k] for k in range(g)]
    if cell == "gru":
        bias[2] = p[b_in + 2]
    return Weights(
        [p[k] for k in range(4)],
        [p[w_in + 2 * k] + bias[k] for k in range(g)],
        [p[w_in + 2 * k + 1] + bias[k] for k in range(g)],
        [p[w_hh + k] for k in range(g)],
        p[b_hh + 2] if cell == "gru" else None,
    )


def step(f: Any, cell: str, w: Weights, closing: Any, h: Any, c: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """One symbol: the next h and c, and what a step back needs. `f` has where, sigmoid, tanh, relu."""
    pre = [f.where(closing, b, a) for a, b in zip(w.opened, w.closed, strict=True)]
    if cell == "relu":
        z = pre[0] + w.recurrent[0] * h
        return f.relu(z), c, (z, h)
    gate = [a + u * h for a, u in zip(pre, w.recurrent, strict=True)]
    if cell == "gru":
        r, z = f.sigmoid(gate[0]), f.sigmoid(gate[1])
        recalled = w.recurrent[2] * h + w.recalled
        n = f.tanh(pre[2] + r * recalled)
        return n + z * (h - n), c, (r, z, n, recalled, h)
    i, forget, g, o = f.sigmoid(gate[0]), f.sigmoid(gate[1]), f.tanh(gate[2]), f.sigmoid(gate[3])
    after = forget * c + i * g
    tanh_c = f.tanh(after)
    return o * tanh_c, after, (i, forget, g, o, tanh_c, c, h)


def step_back(
    f: Any, cell: str, w: Weights, tape: tuple[Any, ...], dh: Any, dc: Any
) -> tuple[Any, Any, list[Any], Any]:
    """Adjoint of `step`: dL/dh and dL/dc before it, dL/d pre-activation of each gate, and of the GRU's recall."""
    if cell == "relu":
        z, _ = tape
        dz = f.where(z > 0, dh, 0.0)
        return w.recurrent[0] * dz, dc, [dz], None
    if cell == "gru":
        r, z, n, recalled, h = tape
        dn = dh * (1 - z) * (1 - n * n)
        d = [dn * recalled * (r * (1 - r)), dh * (h - n) * (z * (1 - z)), dn]
        before = dh * z + w.recurrent[2] * (dn * r) + w.recurrent[0] * d[0] + w.recurrent[1] * d[1]
        return before, dc, d, dn * r
    i, forget, g, o, tanh_c, c, _ = tape
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    d = [
        dc * g * (i * (1 - i)),
        dc * c * (forget * (1 - forget)),
        dc * i * (1 - g * g),
        dh * tanh_c * (o * (1 - o)),
    ]
    return sum(u * x for u, x in zip(w.recurrent, d, strict=True)), dc * forget, d, None


def logits(w: Weights, h: Any) -> tuple[Any, Any]:
    """Read out."""
    return w.out[0] * h + w.out[2], w.out[1] * h + w.out[3]
