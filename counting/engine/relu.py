"""The ReLU cell: one step forward, one step back, unit by unit.

    h' = max(0, W x + b + U h + b')

With `slope` > 0 the cell is leaky: a negative pre-activation is multiplied by it instead of cut off. PyTorch's cell,
and every network that leaves training, has slope 0.
"""

from __future__ import annotations

from counting.engine.lanes import at, inlined, like
from counting.engine.layout import (
    CELL_ROWS,
    FROM_READOUT,
    H_BEFORE,
    PADDING,
    back_to_gate,
    back_to_state,
    give_back,
    held,
    hidden,
    preactivation,
    tape_row,
)

GATES = 1

_Z = CELL_ROWS
"""Row of a unit's tape: the pre-activation."""


@inlined
def _leak(slope, x):
    """Give slope · x, and a plain 0 without a leak: 0 · x would be −0 or NaN for some x."""
    return slope * x if slope > like(0.0, slope) else like(0.0, x)


@inlined
def advance(shape, unit, weights, slope, symbol, state, lane):
    """Advance a unit of `state` by one symbol; returns what the step back needs to know, as on the tape."""
    h = state[at(held(shape, unit), lane)]
    z = preactivation(weights, shape, unit, symbol, state, lane)
    # NaN passes, as in torch.relu: a comparison with NaN is false.
    rectified = _leak(slope, z) if z < like(0.0, z) else z
    # This state is unbounded. Beyond the end of its word a lane stands still, else it might run off to infinity there,
    # and 0 · inf would spoil a gradient that the word itself left finite.
    state[at(hidden(unit), lane)] = h if symbol == PADDING else rectified
    return z, h


@inlined
def step(shape, unit, weights, slope, symbol, state, tape, lane):
    """Advance a unit of `state` by one symbol and record the step on `tape`."""
    z, h = advance(shape, unit, weights, slope, symbol, state, lane)
    tape[at(tape_row(unit, _Z), lane)] = z
    tape[at(tape_row(unit, H_BEFORE), lane)] = h


@inlined
def step_back(shape, unit, weights, slope, symbol, tape, adjoint, gradient, lane):
    """Take `adjoint` (dL/dh) of a unit back over one step and add the step's share to `gradient`."""
    z = tape[at(tape_row(unit, _Z), lane)]
    dh = adjoint[at(held(shape, unit), lane)] + tape[at(tape_row(unit, FROM_READOUT), lane)]
    dz = dh if z > like(0.0, z) else _leak(slope, dh)
    back_to_gate(gradient, shape, unit, symbol, dz, dz, lane)
    for other in range(len(shape.units)):
        h = tape[at(tape_row(other, H_BEFORE), lane)]
        share = back_to_state(weights, gradient, shape, unit, other, h, dz, lane)
        give_back(adjoint, shape, other, share, lane)
