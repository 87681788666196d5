"""Where a block keeps each number: the rows of its flat arrays, for a cell with `gates` gates.

A network's parameters are 4 + 5·gates rows, each with one number for each run; the read-out stands first, so that
its rows are the same for every cell.

    output.weight (2) · output.bias (2)
    weight_hh_l0 (gate) · bias_hh_l0 (gate) · weight_ih_l0 (gate, symbol) · bias_ih_l0 (gate)

The weights that a step reads are these rows without the last, where the *drive* of each gate by each symbol,
weight_ih + bias_ih, stands in weight_ih's place: the input is one-hot, so this sum is all that it can contribute.
"""

from __future__ import annotations

from counting.engine.lanes import LANES, at, inlined, lane_loop, like

OPEN, CLOSE, PADDING = 0, 1, 2
"""What a lane can read: a symbol, or nothing, beyond the end of its word."""

H, C, LOSS = 0, 1, 2
"""Rows of a block's state: hidden state, cell state (LSTM only), loss so far. The adjoint has rows H and C."""

FROM_READOUT, CELL_ROWS = 0, 1
"""Rows of a step's tape: dL/dh of the read-out. Rows from CELL_ROWS on are the cell's own."""

READOUT_ROWS = 4


@inlined
def output_weight(output: int) -> int:
    return output


@inlined
def output_bias(output: int) -> int:
    return 2 + output


@inlined
def weight_hh(gates: int, gate: int) -> int:
    return READOUT_ROWS + gate


@inlined
def bias_hh(gates: int, gate: int) -> int:
    return READOUT_ROWS + gates + gate


@inlined
def weight_ih(gates: int, gate: int, symbol: int) -> int:
    return READOUT_ROWS + 2 * gates + 2 * gate + symbol


@inlined
def bias_ih(gates: int, gate: int) -> int:
    return READOUT_ROWS + 4 * gates + gate


@inlined
def weight_rows(gates: int) -> int:
    """Rows of the weights that a step reads, and of the gradient that it gives."""
    return READOUT_ROWS + 4 * gates


@inlined
def parameter_rows(gates: int) -> int:
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
    """What a gate sees, associated as in PyTorch: (weight_ih x + bias_ih) + (weight_hh h + bias_hh)."""
    return from_input(weights, gates, gate, symbol, lane) + from_state(weights, gates, gate, h, lane)


@inlined
def back_to_input(gradient, gates: int, gate: int, symbol, dz, lane: int):
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


@lane_loop
def load_weights(weights, parameters, gates: int, gain, width: int) -> None:
    """What the steps read: the read-out as it is, gate parameters times `gain`, weight_ih and bias_ih summed.

    weights: (weight_rows · width,); parameters: (parameter_rows · width,), for `width` runs.
    """
    for i in range(READOUT_ROWS * width):
        weights[i] = parameters[i]
    for i in range(READOUT_ROWS * width, weight_ih(gates, 0, OPEN) * width):
        weights[i] = gain * parameters[i]
    for gate in range(gates):
        bias = bias_ih(gates, gate) * width
        for symbol in range(2):
            row = weight_ih(gates, gate, symbol) * width
            for run in range(width):
                weights[row + run] = gain * parameters[row + run] + gain * parameters[bias + run]


@lane_loop
def finish_gradient(gradient, gates: int, gain, width: int) -> None:
    """From dL/dweights to dL/dparameters: bias_ih, which every input shares, has the sum over both symbols."""
    for gate in range(gates):
        opening, closing = weight_ih(gates, gate, OPEN) * width, weight_ih(gates, gate, CLOSE) * width
        bias = bias_ih(gates, gate) * width
        for run in range(width):
            gradient[bias + run] = gradient[opening + run] + gradient[closing + run]
    if gain != like(1.0, gain):
        for i in range(READOUT_ROWS * width, parameter_rows(gates) * width):
            gradient[i] *= gain
