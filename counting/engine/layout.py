"""Where a block keeps each number: the rows of its flat arrays, for networks of one `Shape`.

A network's parameters are rows, each with one number for each run; a gate of a unit has the row that it has in
PyTorch, gate · units + unit, here called its *row*. The read-out stands first.

    output.weight (output, unit) · output.bias (output)
    weight_hh_l0 (row, unit) · bias_hh_l0 (row) · weight_ih_l0 (row, symbol) · bias_ih_l0 (row)

The weights that a step reads are these rows without the last, where the *drive* of each row by each symbol,
weight_ih + bias_ih, stands in weight_ih's place: the input is one-hot, so this sum is all that it can contribute.
"""

from __future__ import annotations

from typing import NamedTuple

from counting.engine.lanes import LANES, at, inlined, lane_loop, like, place

OPEN, CLOSE, PADDING = 0, 1, -1
"""What a lane can read: a symbol, of Dyck-1 one of these two, or nothing, beyond the end of its word."""

H, C, LOSS = 0, 1, 2
"""Rows of a block's state for one unit: hidden state, cell state (LSTM only), loss so far; see `state_rows`."""

FROM_READOUT, H_BEFORE, CELL_ROWS = 0, 1, 2
"""Rows of a unit's part of a step's tape: dL/dh of the read-out, h before. From CELL_ROWS on they are the cell's."""

TAPE_ROWS = CELL_ROWS + 6
"""Rows of a unit's part of a step's tape: enough for the LSTM, which keeps most."""


class Shape(NamedTuple):
    """Sizes of networks, each as a tuple of so many empty tuples.

    The length of a tuple is part of its type. So kernels are compiled for each shape, and a shape weighs nothing.
    """

    gates: tuple
    units: tuple
    symbols: tuple
    outputs: tuple


def shape(gates: int, units: int = 1, symbols: int = 2, outputs: int = 2) -> Shape:
    """Give the shape of networks of these sizes."""
    return Shape(*(((),) * size for size in (gates, units, symbols, outputs)))


@inlined
def output_weight(shape, output, unit):
    """Row of the read-out's weight for an output and a unit."""
    return output * len(shape.units) + unit


@inlined
def output_bias(shape, output):
    """Row of the read-out's bias for an output."""
    return len(shape.outputs) * len(shape.units) + output


@inlined
def readout_rows(shape):
    """Rows of the read-out."""
    return len(shape.outputs) * (len(shape.units) + 1)


@inlined
def gate_rows(shape):
    """Count the rows of the recurrent layer's matrices."""
    return len(shape.gates) * len(shape.units)


@inlined
def weight_hh(shape, row, unit):
    """Row of a recurrent weight."""
    return readout_rows(shape) + row * len(shape.units) + unit


@inlined
def bias_hh(shape, row):
    """Row of a gate's second bias."""
    return weight_hh(shape, gate_rows(shape), 0) + row


@inlined
def weight_ih(shape, row, symbol):
    """Row of a gate's weight for a symbol."""
    return bias_hh(shape, gate_rows(shape)) + row * len(shape.symbols) + symbol


@inlined
def weight_rows(shape):
    """Rows of the weights that a step reads, and of the gradient that it gives."""
    return weight_ih(shape, gate_rows(shape), 0)


@inlined
def bias_ih(shape, row):
    """Row of a gate's first bias."""
    return weight_rows(shape) + row


@inlined
def parameter_rows(shape):
    """Rows of the parameters."""
    return bias_ih(shape, gate_rows(shape))


@inlined
def hidden(unit):
    """Row of a unit's hidden state, or of dL/dh."""
    return 2 * unit + H


@inlined
def cell_state(unit):
    """Row of a unit's cell state, or of dL/dc."""
    return 2 * unit + C


@inlined
def loss_row(shape):
    """Row of the loss so far."""
    return 2 * len(shape.units)


@inlined
def held(shape, unit):
    """Row of a unit's hidden state before the step, or of dL/dh after it, while all units' are being written.

    One unit is read before it is written: it needs no second row.
    """
    return hidden(unit) if len(shape.units) == 1 else 2 * len(shape.units) + 1 + unit


@inlined
def state_rows(shape):
    """Rows of a block's state: h and c of each unit, the loss, what is held. The adjoint has the same."""
    return 3 * len(shape.units) + (len(shape.units) > 1)


@inlined
def tape_row(unit, row):
    """Row of a step's tape that a unit calls `row`."""
    return unit * TAPE_ROWS + row


@inlined
def tape_rows(shape):
    """Rows of a step's tape."""
    return TAPE_ROWS * len(shape.units)


@inlined
def from_input(weights, shape, row, symbol, lane):
    """weight_ih x + bias_ih of one row."""
    drive = weights[at(weight_ih(shape, row, 0), lane)]
    for other in range(1, len(shape.symbols)):
        weight = weights[at(weight_ih(shape, row, other), lane)]
        drive = weight if symbol == other else drive
    return drive


@inlined
def from_state(weights, shape, row, state, lane):
    """weight_hh h + bias_hh of one row, added unit by unit."""
    total = weights[at(weight_hh(shape, row, 0), lane)] * state[at(held(shape, 0), lane)]
    for unit in range(1, len(shape.units)):
        total += weights[at(weight_hh(shape, row, unit), lane)] * state[at(held(shape, unit), lane)]
    return total + weights[at(bias_hh(shape, row), lane)]


@inlined
def preactivation(weights, shape, row, symbol, state, lane):
    """Give what a gate sees, associated as in PyTorch: (weight_ih x + bias_ih) + (weight_hh h + bias_hh)."""
    return from_input(weights, shape, row, symbol, lane) + from_state(weights, shape, row, state, lane)


@inlined
def back_to_state(weights, gradient, shape, row, unit, h, dz, lane):
    """Take dL/dz of `from_state` to the gradient of a unit's weight; returns its share of the unit's dL/dh."""
    gradient[at(weight_hh(shape, row, unit), lane)] += dz * h
    return weights[at(weight_hh(shape, row, unit), lane)] * dz


@inlined
def back_to_gate(gradient, shape, row, symbol, to_input, to_state, lane):
    """Take dL/dz of `from_input` and of `from_state` to the gradients of a row's drives and of its second bias.

    `bias_ih` waits for `finish_gradient`.
    """
    zero = like(0.0, to_input)
    for other in range(len(shape.symbols)):
        gradient[at(weight_ih(shape, row, other), lane)] += to_input if symbol == other else zero
    gradient[at(bias_hh(shape, row), lane)] += to_state


@inlined
def give_back(adjoint, shape, unit, share, lane):
    """Set a unit's dL/dh before the step to a share of it, or, where there are more units, add it."""
    row = at(hidden(unit), lane)
    adjoint[row] = share if len(shape.units) == 1 else adjoint[row] + share


@inlined
def hold(shape, rows):
    """Copy every unit's h, of a state or an adjoint, to where it is held, if there is more than one unit."""
    if len(shape.units) > 1:
        for unit in range(len(shape.units)):
            for lane in range(LANES):
                rows[at(held(shape, unit), lane)] = rows[at(hidden(unit), lane)]


@lane_loop
def load_weights(weights, parameters, shape, gain, stride, runs):
    """Fill what the steps read: the read-out as it is, gate parameters times `gain`, weight_ih and bias_ih summed.

    weights, parameters: rows that stand `stride` apart, of which the first `runs` numbers are taken.
    """
    for row in range(weight_ih(shape, 0, 0)):
        for run in range(runs):
            i = place(row, stride, run)
            weights[i] = parameters[i] if row < readout_rows(shape) else gain * parameters[i]
    for row in range(gate_rows(shape)):
        for symbol in range(len(shape.symbols)):
            for run in range(runs):
                i, bias = place(weight_ih(shape, row, symbol), stride, run), place(bias_ih(shape, row), stride, run)
                weights[i] = gain * parameters[i] + gain * parameters[bias]


@lane_loop
def finish_gradient(gradient, shape, gain, stride, runs):
    """Go from dL/dweights to dL/dparameters: bias_ih, which every input shares, has the sum over all symbols."""
    for row in range(gate_rows(shape)):
        for run in range(runs):
            total = gradient[place(weight_ih(shape, row, 0), stride, run)]
            for symbol in range(1, len(shape.symbols)):
                total += gradient[place(weight_ih(shape, row, symbol), stride, run)]
            gradient[place(bias_ih(shape, row), stride, run)] = total
    if gain != like(1.0, gain):
        for row in range(readout_rows(shape), parameter_rows(shape)):
            for run in range(runs):
                gradient[place(row, stride, run)] *= gain
