"""The GRU cell of hidden size 1: one step forward, one step back.

    r, z = sigmoid(·),  n = tanh(W_n x + b_n + r (U_n h + b'_n)),  h' = n + z (h − n)

Gates stand in PyTorch's order.
"""

from __future__ import annotations

from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import (
    CELL_ROWS,
    FROM_READOUT,
    H,
    back_through_gate,
    back_to_input,
    back_to_state,
    from_input,
    from_state,
    preactivation,
)

GATES = 3
RESET, UPDATE, CANDIDATE = 0, 1, 2

# Rows of a step's tape: what the step back needs to know of the step forward.
_R, _Z, _N, _RECALLED, _H_BEFORE = range(CELL_ROWS, CELL_ROWS + 5)


@inlined
def advance(weights, slope, symbol, state, lane):
    """Advance `state` by one symbol; returns what the step back needs to know, in the order of the tape's rows."""
    h = state[at(H, lane)]
    r = sigmoid(preactivation(weights, GATES, RESET, symbol, h, lane))
    z = sigmoid(preactivation(weights, GATES, UPDATE, symbol, h, lane))
    recalled = from_state(weights, GATES, CANDIDATE, h, lane)
    n = tanh(from_input(weights, GATES, CANDIDATE, symbol, lane) + r * recalled)
    state[at(H, lane)] = (h - n) * z + n
    return r, z, n, recalled, h


@inlined
def step(weights, slope, symbol, state, tape, lane):
    """Advance `state` by one symbol and record the step on `tape`."""
    r, z, n, recalled, h = advance(weights, slope, symbol, state, lane)
    tape[at(_R, lane)] = r
    tape[at(_Z, lane)] = z
    tape[at(_N, lane)] = n
    tape[at(_RECALLED, lane)] = recalled
    tape[at(_H_BEFORE, lane)] = h


@inlined
def step_back(weights, slope, symbol, tape, adjoint, gradient, lane):
    """Take `adjoint` (dL/dh) back over one step and add the step's share to `gradient`."""
    r = tape[at(_R, lane)]
    z = tape[at(_Z, lane)]
    n = tape[at(_N, lane)]
    h = tape[at(_H_BEFORE, lane)]
    one = like(1.0, h)
    dh = adjoint[at(H, lane)] + tape[at(FROM_READOUT, lane)]
    dn = dh * (one - z) * (one - n * n)
    dr = dn * tape[at(_RECALLED, lane)] * (r * (one - r))
    dz = dh * (h - n) * (z * (one - z))
    back_to_input(gradient, GATES, CANDIDATE, symbol, dn, lane)
    adjoint[at(H, lane)] = (
        dh * z
        + back_to_state(weights, gradient, GATES, CANDIDATE, h, dn * r, lane)
        + back_through_gate(weights, gradient, GATES, RESET, symbol, h, dr, lane)
        + back_through_gate(weights, gradient, GATES, UPDATE, symbol, h, dz, lane)
    )
