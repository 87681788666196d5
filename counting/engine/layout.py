"""Where a block keeps each number: the rows of its flat arrays, for a cell with `gates` gates.

A network's parameters are 4 + 5·gates rows, each with one number for each run; the read-out stands first, so that
its rows are the same for every cell.

    output.weight (2) · output.bias (2)
    weight_hh_l0 (gate) · bias_hh_l0 (gate) · weight_ih_l0 (gate, symbol) · bias_ih_l0 (gate)

The weights that a step reads are these rows without the last, where the *drive* of each gate by each symbol,
weight_ih + bias_ih, stands in weight_ih's place: the input is one-hot, so this sum is all that it can contribute.
"""

from __future__ import annotations

import numpy as np

from counting.engine.lanes import at, inlined, lane_loop, like

OPEN, CLOSE, PADDING = 0, 1, 2
"""What a lane can read: a symbol, or nothing, beyond the end of its word."""

H, C, LOSS = 0, 1, 2
"""Rows of a block's state: hidden state, cell state (LSTM only), loss so far. The adjoint has rows H and C."""

FROM_READOUT, CELL_ROWS = 0, 1
"""Rows of a step's tape: dL/dh of the read-out. Rows from CELL_ROWS on are the cell's own."""

READOUT_ROWS = 4


@inlined
def output_weight(output: int) -> int:
    """Row of the read-out's weight for an output."""
    return output


@inlined
def output_bias(output: int) -> int:
    """Row of the read-out's bias for an output."""
    return 2 + output


@inlined
def weight_hh(gates: int, gate: int) -> int:
    """Row of a gate's recurrent weight."""
    return READOUT_ROWS + gate


@inlined
def bias_hh(gates: int, gate: int) -> int:
    """Row of a gate's second bias."""
    return READOUT_ROWS + gates + gate


@inlined
def weight_ih(gates: int, gate: int, symbol: int) -> int:
    """Row of a gate's weight for a symbol."""
    return READOUT_ROWS + 2 * gates + 2 * gate + symbol


@inlined
def bias_ih(gates: int, gate: int) -> int:
    """Row of a gate's first bias."""
    return READOUT_ROWS + 4 * gates + gate


@inlined
def weight_rows(gates: int) -> int:
    """Rows of the weights that a step reads, and of the gradient that it gives."""
    return READOUT_ROWS + 4 * gates


@inlined
def parameter_rows(gates: int) -> int:
    """Rows of the parameters."""
    return READOUT_ROWS + 5 * gates


@inlined
def from_input(weights, gates: int, gate: int, symbol, lane: int):
    """weight_ih x + bias_ih of one gate."""
    opening = weights[at(weight_ih(gates, gate, OPEN), lane)]
    closing = weights[at(weight_ih(gates, gate, CLOSE), lane)]
    return closing if symbol == CLOSE else opening


@inlined
def from_state(weights, gates: int, gate: int, h, lane: int):
    """weight_hh h + bias_hh of one gate."""
    return weights[at(weight_hh(gates, gate), lane)] * h + weights[at(bias_hh(gates, gate), lane)]


@inlined
def preactivation(weights, gates: int, gate: int, symbol, h, lane: int):
    """Give what a gate sees, associated as in PyTorch: (weight_ih x + bias_ih) + (weight_hh h + bias_hh)."""
    return from_input(weights, gates, gate, symbol, lane) + from_state(weights, gates, gate, h, lane)


@inlined
def back_to_input(gradient, gates, gate, symbol, dz, lane):
    """Take dL/dz of `from_input` to the gradient of its parameters (`bias_ih` waits for `finish_gradient`)."""
    zero = like(0.0, dz)
    gradient[at(weight_ih(gates, gate, OPEN), lane)] += zero if symbol == CLOSE else dz
    gradient[at(weight_ih(gates, gate, CLOSE), lane)] += dz if symbol == CLOSE else zero


@inlined
def back_to_state(weights, gradient, gates: int, gate: int, h, dz, lane: int):
    """Take dL/dz of `from_state` to the gradient of its parameters; returns its share of dL/dh."""
    gradient[at(weight_hh(gates, gate), lane)] += dz * h
    gradient[at(bias_hh(gates, gate), lane)] += dz
    return weights[at(weight_hh(gates, gate), lane)] * dz


@inlined
def back_through_gate(weights, gradient, gates: int, gate: int, symbol, h, dz, lane: int):
    """Take dL/dz of `preactivation` to the gradient of its parameters; returns its share of dL/dh."""
    back_to_input(gradient, gates, gate, symbol, dz, lane)
    return back_to_state(weights, gradient, gates, gate, h, dz, lane)


@inlined
def place(row: int, stride: int, run: int) -> np.uint64:
    """Index of a run in a row, for rows that stand `stride` apart.

    Unsigned: of an index that might be negative Numba would make a branch, and LLVM no SIMD.
    """
    return np.uint64(row * stride) + np.uint64(run)


@lane_loop
def load_weights(weights, parameters, gates, gain, stride, runs):
    """Fill what the steps read: the read-out as it is, gate parameters times `gain`, weight_ih and bias_ih summed.

    weights, parameters: rows that stand `stride` apart, of which the first `runs` numbers are taken.
    """
    for row in range(weight_ih(gates, 0, OPEN)):
        for run in range(runs):
            i = place(row, stride, run)
            weights[i] = parameters[i] if row < READOUT_ROWS else gain * parameters[i]
    for gate in range(gates):
        for symbol in range(2):
            for run in range(runs):
                i, bias = place(weight_ih(gates, gate, symbol), stride, run), place(bias_ih(gates, gate), stride, run)
                weights[i] = gain * parameters[i] + gain * parameters[bias]


@lane_loop
def finish_gradient(gradient, gates, gain, stride, runs):
    """Go from dL/dweights to dL/dparameters: bias_ih, which every input shares, has the sum over both symbols."""
    for gate in range(gates):
        for run in range(runs):
            opening = gradient[place(weight_ih(gates, gate, OPEN), stride, run)]
            closing = gradient[place(weight_ih(gates, gate, CLOSE), stride, run)]
            gradient[place(bias_ih(gates, gate), stride, run)] = opening + closing
    if gain != like(1.0, gain):
        for row in range(READOUT_ROWS, parameter_rows(gates)):
            for run in range(runs):
                gradient[place(row, stride, run)] *= gain
