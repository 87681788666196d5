"""Where a block keeps each number: the rows of its flat arrays, for a cell with `gates` gates.

A network's parameters are 4 + 5·gates rows, each with one number for each lane; the read-out stands first, so that
its rows are the same for every cell.

    output.weight (2) · output.bias (2)
    weight_ih_l0 (gate, symbol) · weight_hh_l0 (gate) · bias_ih_l0 (gate) · bias_hh_l0 (gate)

The weights that a step reads are these rows and, behind them, the *drive* of each gate by each symbol,
weight_ih + bias_ih: the input is one-hot, so this sum is all that the input can contribute.
"""

from __future__ import annotations

from counting.engine.lanes import LANES, at, inlined, like

OPEN, CLOSE, PADDING = 0, 1, 2
"""What stands in a lane's `symbol`."""

H, C, LOSS = 0, 1, 2
"""Rows of a block's state: hidden state, cell state (LSTM only), loss so far. The adjoint has rows H and C."""

FROM_READOUT, NONZERO, SHARE, CELL_ROWS = 0, 1, 2, 3
"""Rows of a step's tape: dL/dh of the read-out; whether the depth is positive; the step's share of the loss, 0 beyond
the end of the lane's word. Rows from CELL_ROWS on are the cell's own."""

READOUT_ROWS = 4


@inlined
def output_weight(output: int) -> int:
    return output


@inlined
def output_bias(output: int) -> int:
    return 2 + output


@inlined
def weight_ih(gates: int, gate: int, symbol: int) -> int:
    return READOUT_ROWS + 2 * gate + symbol


@inlined
def weight_hh(gates: int, gate: int) -> int:
    return READOUT_ROWS + 2 * gates + gate


@inlined
def bias_ih(gates: int, gate: int) -> int:
    return READOUT_ROWS + 3 * gates + gate


@inlined
def bias_hh(gates: int, gate: int) -> int:
    return READOUT_ROWS + 4 * gates + gate


@inlined
def parameter_rows(gates: int) -> int:
    return READOUT_ROWS + 5 * gates


@inlined
def drive(gates: int, gate: int, symbol: int) -> int:
    return parameter_rows(gates) + 2 * gate + symbol


@inlined
def from_input(weights, gates: int, gate: int, symbol, lane: int):
    """weight_ih x + bias_ih of one gate, for the lane's symbol."""
    opening = weights[at(drive(gates, gate, OPEN), lane)]
    closing = weights[at(drive(gates, gate, CLOSE), lane)]
    return closing if symbol[lane] == CLOSE else opening


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
    gradient[at(weight_ih(gates, gate, OPEN), lane)] += zero if symbol[lane] == CLOSE else dz
    gradient[at(weight_ih(gates, gate, CLOSE), lane)] += dz if symbol[lane] == CLOSE else zero


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
def fill_drive(weights, gates: int) -> None:
    """weight_ih + bias_ih for each gate and symbol, once a word."""
    for gate in range(gates):
        for symbol in range(2):
            for lane in range(LANES):
                weights[at(drive(gates, gate, symbol), lane)] = (
                    weights[at(weight_ih(gates, gate, symbol), lane)] + weights[at(bias_ih(gates, gate), lane)]
                )


@inlined
def finish_gradient(gradient, gates: int) -> None:
    """The gradient of bias_ih, which every input shares: the sum over both symbols."""
    for gate in range(gates):
        for lane in range(LANES):
            gradient[at(bias_ih(gates, gate), lane)] = (
                gradient[at(weight_ih(gates, gate, OPEN), lane)] + gradient[at(weight_ih(gates, gate, CLOSE), lane)]
            )
