"""The LSTM cell: one step forward, one step back, unit by unit.

    i, f, o = sigmoid(·),  g = tanh(·),  c' = f c + i g,  h' = o tanh(c')

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
    cell_state,
    give_back,
    held,
    hidden,
    preactivation,
    tape_row,
)

GATES = 4
INPUT, FORGET, CANDIDATE, OUTPUT = 0, 1, 2, 3

# Rows of a unit's tape: what the step back needs to know of the step forward.
_I, _F, _G, _O, _TANH_C, _C_BEFORE = range(CELL_ROWS, CELL_ROWS + 6)


@inlined
def advance(shape, unit, weights, slope, symbol, state, lane):
    """Advance a unit of `state` by one symbol; returns what the step back needs to know, as on the tape."""
    units = len(shape.units)
    c = state[at(cell_state(unit), lane)]
    h = state[at(held(shape, unit), lane)]
    i = sigmoid(preactivation(weights, shape, INPUT * units + unit, symbol, state, lane))
    f = sigmoid(preactivation(weights, shape, FORGET * units + unit, symbol, state, lane))
    g = tanh(preactivation(weights, shape, CANDIDATE * units + unit, symbol, state, lane))
    o = sigmoid(preactivation(weights, shape, OUTPUT * units + unit, symbol, state, lane))
    c_after = f * c + i * g
    tanh_c = tanh(c_after)
    state[at(cell_state(unit), lane)] = c_after
    state[at(hidden(unit), lane)] = o * tanh_c
    return i, f, g, o, tanh_c, c, h


@inlined
def step(shape, unit, weights, slope, symbol, state, tape, lane):
    """Advance a unit of `state` by one symbol and record the step on `tape`."""
    i, f, g, o, tanh_c, c, h = advance(shape, unit, weights, slope, symbol, state, lane)
    tape[at(tape_row(unit, _I), lane)] = i
    tape[at(tape_row(unit, _F), lane)] = f
    tape[at(tape_row(unit, _G), lane)] = g
    tape[at(tape_row(unit, _O), lane)] = o
    tape[at(tape_row(unit, _TANH_C), lane)] = tanh_c
    tape[at(tape_row(unit, _C_BEFORE), lane)] = c
    tape[at(tape_row(unit, H_BEFORE), lane)] = h


@inlined
def step_back(shape, unit, weights, slope, symbol, tape, adjoint, gradient, lane):
    """Take `adjoint` (dL/dh, dL/dc) of a unit back over one step and add the step's share to `gradient`."""
    units = len(shape.units)
    i = tape[at(tape_row(unit, _I), lane)]
    f = tape[at(tape_row(unit, _F), lane)]
    g = tape[at(tape_row(unit, _G), lane)]
    o = tape[at(tape_row(unit, _O), lane)]
    tanh_c = tape[at(tape_row(unit, _TANH_C), lane)]
    one = like(1.0, i)
    dh = adjoint[at(held(shape, unit), lane)] + tape[at(tape_row(unit, FROM_READOUT), lane)]
    dc = adjoint[at(cell_state(unit), lane)] + dh * o * (one - tanh_c * tanh_c)
    di = dc * g * (i * (one - i))
    df = dc * tape[at(tape_row(unit, _C_BEFORE), lane)] * (f * (one - f))
    dg = dc * i * (one - g * g)
    do = dh * tanh_c * (o * (one - o))
    adjoint[at(cell_state(unit), lane)] = dc * f
    for other in range(units):
        h = tape[at(tape_row(other, H_BEFORE), lane)]
        share = (
            back_to_state(weights, gradient, shape, INPUT * units + unit, other, h, di, lane)
            + back_to_state(weights, gradient, shape, FORGET * units + unit, other, h, df, lane)
            + back_to_state(weights, gradient, shape, CANDIDATE * units + unit, other, h, dg, lane)
            + back_to_state(weights, gradient, shape, OUTPUT * units + unit, other, h, do, lane)
        )
        give_back(adjoint, shape, other, share, lane)
    back_to_gate(gradient, shape, INPUT * units + unit, symbol, di, di, lane)
    back_to_gate(gradient, shape, FORGET * units + unit, symbol, df, df, lane)
    back_to_gate(gradient, shape, CANDIDATE * units + unit, symbol, dg, dg, lane)
    back_to_gate(gradient, shape, OUTPUT * units + unit, symbol, do, do, lane)
