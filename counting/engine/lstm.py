"""The LSTM cell of hidden size 1: one step forward, one step back.

    i, f, o = sigmoid(·),  g = tanh(·),  c' = f c + i g,  h' = o tanh(c')

Gates stand in PyTorch's order.
"""

from __future__ import annotations

from counting.engine.activations import sigmoid, tanh
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import CELL_ROWS, FROM_READOUT, C, H, back_through_gate, preactivation

GATES = 4
INPUT, FORGET, CANDIDATE, OUTPUT = 0, 1, 2, 3

# Rows of a step's tape: what the step back needs to know of the step forward.
_I, _F, _G, _O, _TANH_C, _C_BEFORE, _H_BEFORE = range(CELL_ROWS, CELL_ROWS + 7)


@inlined
def advance(weights, slope, symbol, state, lane):
    """Advance `state` by one symbol; returns what the step back needs to know, in the order of the tape's rows."""
    h = state[at(H, lane)]
    c = state[at(C, lane)]
    i = sigmoid(preactivation(weights, GATES, INPUT, symbol, h, lane))
    f = sigmoid(preactivation(weights, GATES, FORGET, symbol, h, lane))
    g = tanh(preactivation(weights, GATES, CANDIDATE, symbol, h, lane))
    o = sigmoid(preactivation(weights, GATES, OUTPUT, symbol, h, lane))
    c_after = f * c + i * g
    tanh_c = tanh(c_after)
    state[at(C, lane)] = c_after
    state[at(H, lane)] = o * tanh_c
    return i, f, g, o, tanh_c, c, h


@inlined
def step(weights, slope, symbol, state, tape, lane):
    """Advance `state` by one symbol and record the step on `tape`."""
    i, f, g, o, tanh_c, c, h = advance(weights, slope, symbol, state, lane)
    tape[at(_I, lane)] = i
    tape[at(_F, lane)] = f
    tape[at(_G, lane)] = g
    tape[at(_O, lane)] = o
    tape[at(_TANH_C, lane)] = tanh_c
    tape[at(_C_BEFORE, lane)] = c
    tape[at(_H_BEFORE, lane)] = h


@inlined
def step_back(weights, slope, symbol, tape, adjoint, gradient, lane):
    """Take `adjoint` (dL/dh, dL/dc) back over one step and add the step's share to `gradient`."""
    i = tape[at(_I, lane)]
    f = tape[at(_F, lane)]
    g = tape[at(_G, lane)]
    o = tape[at(_O, lane)]
    tanh_c = tape[at(_TANH_C, lane)]
    h = tape[at(_H_BEFORE, lane)]
    one = like(1.0, h)
    dh = adjoint[at(H, lane)] + tape[at(FROM_READOUT, lane)]
    dc = adjoint[at(C, lane)] + dh * o * (one - tanh_c * tanh_c)
    di = dc * g * (i * (one - i))
    df = dc * tape[at(_C_BEFORE, lane)] * (f * (one - f))
    dg = dc * i * (one - g * g)
    do = dh * tanh_c * (o * (one - o))
    adjoint[at(C, lane)] = dc * f
    adjoint[at(H, lane)] = (
        back_through_gate(weights, gradient, GATES, INPUT, symbol, h, di, lane)
        + back_through_gate(weights, gradient, GATES, FORGET, symbol, h, df, lane)
        + back_through_gate(weights, gradient, GATES, CANDIDATE, symbol, h, dg, lane)
        + back_through_gate(weights, gradient, GATES, OUTPUT, symbol, h, do, lane)
    )
