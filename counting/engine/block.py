"""One step of a block of runs: each cell's step, the read-out and the bookkeeping, looped over the lanes."""

from __future__ import annotations

import numpy as np

from counting.engine import gru, lstm, readout, relu
from counting.engine.lanes import LANES, at, inlined, lane_loop, like
from counting.engine.layout import (
    CELL_ROWS,
    NONZERO,
    OPEN,
    PADDING,
    READOUT_ROWS,
    SHARE,
    drive,
    fill_drive,
    parameter_rows,
)

LSTM, GRU, RELU = 0, 1, 2
CELLS = ("lstm", "gru", "relu")
GATES = (lstm.GATES, gru.GATES, relu.GATES)
TAPE_ROWS = CELL_ROWS + 7
"""Rows of a step's tape: enough for the LSTM, which keeps most."""


@inlined
def weight_rows(gates: int) -> int:
    """Rows of the weights that a step reads: the parameters and the drives."""
    return drive(gates, gates, OPEN)


@lane_loop
def step(cell, weights, slope, symbol, state, tape):
    if cell == LSTM:
        for lane in range(LANES):
            lstm.step(weights, slope, symbol, state, tape, lane)
    elif cell == GRU:
        for lane in range(LANES):
            gru.step(weights, slope, symbol, state, tape, lane)
    else:
        for lane in range(LANES):
            relu.step(weights, slope, symbol, state, tape, lane)


@lane_loop
def step_back(cell, weights, slope, symbol, tape, adjoint, gradient):
    if cell == LSTM:
        for lane in range(LANES):
            lstm.step_back(weights, slope, symbol, tape, adjoint, gradient, lane)
    elif cell == GRU:
        for lane in range(LANES):
            gru.step_back(weights, slope, symbol, tape, adjoint, gradient, lane)
    else:
        for lane in range(LANES):
            relu.step_back(weights, slope, symbol, tape, adjoint, gradient, lane)


@lane_loop
def read_out(weights, state, tape, gradient):
    for lane in range(LANES):
        readout.step(weights, state, tape, gradient, lane)


@lane_loop
def load_weights(weights, parameters, gates, gain):
    """What the steps read: gate parameters times `gain`, the read-out's as they are, and the drives."""
    for i in range(READOUT_ROWS * LANES):
        weights[i] = parameters[i]
    for i in range(READOUT_ROWS * LANES, parameter_rows(gates) * LANES):
        weights[i] = gain * parameters[i]
    fill_drive(weights, gates)


@lane_loop
def unpack_step(brackets, depths, length, share, t, symbol, tape):
    """Symbol, target and share of the loss of every lane at step t."""
    for lane in range(LANES):
        inside = t < length[lane]
        bit = np.int32((brackets[lane] >> np.uint32(t & 31)) & np.uint32(1))
        symbol[lane] = bit if inside else np.int32(PADDING)
        deep = np.int32((depths[lane] >> np.uint32(t & 31)) & np.uint32(1))
        tape[at(NONZERO, lane)] = like(deep, share[0])
        tape[at(SHARE, lane)] = share[lane] if inside else like(0.0, share[lane])
