"""The GRU cell: one step forward, one step back, unit by unit.

    r, z = sigmoid(·),  n = tanh(W_n x + b_n + r (U_n h + b'_n)),  h' = n + z (h − n)

Gates stand in PyTorch's order.
"""

from __future__ import annotations

from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import (
    CELL_ROWS,
    FROM_READOUT,
    H_BEFORE,
    back_to_gate,
    back_to_state,
    from_input,
    from_state,
    give_back,
    held,
    hidden,
    preactivation,
    tape_row,
)

GATES = 3
RESET, UPDATE, CANDIDATE = 0, 1, 2

# Rows of a unit's tape: what the step back needs to know of the step forward.
_R, _Z, _N, _RECALLED = range(CELL_ROWS, CELL_ROWS + 4)


@inlined
def advance(shape, unit, weights, slope, symbol, state, lane):
    """Advance a unit of `state` by one symbol; returns what the step back needs to know, as on the tape."""
    units = len(shape.units)
    h = state[at(held(shape, unit), lane)]
    r = sigmoid(preactivation(weights, shape, RESET * units + unit, symbol, state, lane))
    z = sigmoid(preactivation(weights, shape, UPDATE * units + unit, symbol, state, lane))
    recalled = from_state(weights, shape, CANDIDATE * units + unit, state, lane)
    n = tanh(from_input(weights, shape, CANDIDATE * units + unit, symbol, lane) + r * recalled)
    state[at(hidden(unit), lane)] = (h - n) * z + n
    return r, z, n, recalled, h


@inlined
def step(shape, unit, weights, slope, symbol, state, tape, lane):
    """Advance a unit of `state` by one symbol and record the step on `tape`."""
    r, z, n, recalled, h = advance(shape, unit, weights, slope, symbol, state, lane)
    tape[at(tape_row(unit, _R), lane)] = r
    tape[at(tape_row(unit, _Z), lane)] = z
    tape[at(tape_row(unit, _N), lane)] = n
    tape[at(tape_row(unit, _RECALLED), lane)] = recalled
    tape[at(tape_row(unit, H_BEFORE), lane)] = h


@inlined
def step_back(shape, unit, weights, slope, symbol, tape, adjoint, gradient, lane):
    """Take `adjoint` (dL/dh) of a unit back over one step and add the step's share to `gradient`."""
    units = len(shape.units)
    r = tape[at(tape_row(unit, _R), lane)]
    z = tape[at(tape_row(unit, _Z), lane)]
    n = tape[at(tape_row(unit, _N), lane)]
    h = tape[at(tape_row(unit, H_BEFORE), lane)]
    one = like(1.0, h)
    dh = adjoint[at(held(shape, unit), lane)] + tape[at(tape_row(unit, FROM_READOUT), lane)]
    dn = dh * (one - z) * (one - n * n)
    dr = dn * tape[at(tape_row(unit, _RECALLED), lane)] * (r * (one - r))
    dz = dh * (h - n) * (z * (one - z))
    for other in range(units):
        before = tape[at(tape_row(other, H_BEFORE), lane)]
        kept = dh * z if other == unit else like(0.0, z)
        share = (
            kept
            + back_to_state(weights, gradient, shape, CANDIDATE * units + unit, other, before, dn * r, lane)
            + back_to_state(weights, gradient, shape, RESET * units + unit, other, before, dr, lane)
            + back_to_state(weights, gradient, shape, UPDATE * units + unit, other, before, dz, lane)
        )
        give_back(adjoint, shape, other, share, lane)
    back_to_gate(gradient, shape, RESET * units + unit, symbol, dr, dr, lane)
    back_to_gate(gradient, shape, UPDATE * units + unit, symbol, dz, dz, lane)
    back_to_gate(gradient, shape, CANDIDATE * units + unit, symbol, dn, dn * r, lane)
