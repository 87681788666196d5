"""The ReLU cell of hidden size 1: one step forward, one step back.

    h' = max(0, W x + b + U h + b')

With `slope` > 0 the cell is leaky: a negative pre-activation is multiplied by it instead of cut off. PyTorch's cell,
and every network that leaves training, has slope 0.
"""

from __future__ import annotations

from counting.engine.lanes import at, inlined, like
from counting.engine.layout import CELL_ROWS, FROM_READOUT, PADDING, H, back_through_gate, preactivation

GATES = 1

# Rows of a step's tape: what the step back needs to know of the step forward.
_Z, _H_BEFORE = range(CELL_ROWS, CELL_ROWS + 2)


@inlined
def _leak(slope, x):
    """Give slope · x, and a plain 0 without a leak: 0 · x would be −0 or NaN for some x."""
    return slope * x if slope > like(0.0, slope) else like(0.0, x)


@inlined
def advance(weights, slope, symbol, state, lane):
    """Advance `state` by one symbol; returns what the step back needs to know, in the order of the tape's rows."""
    h = state[at(H, lane)]
    z = preactivation(weights, GATES, 0, symbol, h, lane)
    # NaN passes, as in torch.relu: a comparison with NaN is false.
    rectified = _leak(slope, z) if z < like(0.0, z) else z
    # This state is unbounded. Beyond the end of its word a lane stands still, else it might run off to infinity there,
    # and 0 · inf would spoil a gradient that the word itself left finite.
    state[at(H, lane)] = h if symbol == PADDING else rectified
    return z, h


@inlined
def step(weights, slope, symbol, state, tape, lane):
    """Advance `state` by one symbol and record the step on `tape`."""
    z, h = advance(weights, slope, symbol, state, lane)
    tape[at(_Z, lane)] = z
    tape[at(_H_BEFORE, lane)] = h


@inlined
def step_back(weights, slope, symbol, tape, adjoint, gradient, lane):
    """Take `adjoint` (dL/dh) back over one step and add the step's share to `gradient`."""
    z = tape[at(_Z, lane)]
    h = tape[at(_H_BEFORE, lane)]
    dh = adjoint[at(H, lane)] + tape[at(FROM_READOUT, lane)]
    dz = dh if z > like(0.0, z) else _leak(slope, dh)
    adjoint[at(H, lane)] = back_through_gate(weights, gradient, GATES, 0, symbol, h, dz, lane)
