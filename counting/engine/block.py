"""One step of a block of runs: the cells' steps and the read-out, looped over the lanes."""

from __future__ import annotations

import numpy as np

from counting.engine import gru, lstm, readout, relu
from counting.engine.lanes import LANES, at, inlined, lane_loop, like
from counting.engine.layout import CELL_ROWS, CLOSE, OPEN, PADDING
from counting.engine.readout import MSE, cross_entropy, squared_error

LSTM, GRU, RELU = 0, 1, 2
CELLS = ("lstm", "gru", "relu")
GATES = (lstm.GATES, gru.GATES, relu.GATES)
TAPE_ROWS = CELL_ROWS + 7
"""Rows of a step's tape: enough for the LSTM, which keeps most."""

LENGTH, BRACKETS, DEPTHS = 0, 1, 2
PIECE_ROWS = 3
"""Rows of 32 symbols of the words that the lanes of a block read in training, uint32: the whole word's length; which
of the symbols are `)`; after which of them the depth is positive. The first is the lowest bit."""


@lane_loop
def step(cell, weights, slope, symbol, state, tape):
    """Every lane reads its symbol, int32 (LANES,)."""
    if cell == LSTM:
        for lane in range(LANES):
            lstm.step(weights, slope, symbol[lane], state, tape, lane)
    elif cell == GRU:
        for lane in range(LANES):
            gru.step(weights, slope, symbol[lane], state, tape, lane)
    else:
        for lane in range(LANES):
            relu.step(weights, slope, symbol[lane], state, tape, lane)


@inlined
def _has(piece, row, bit, lane):
    return np.uint32(piece[at(row, lane)] & bit) != np.uint32(0)


@inlined
def _bit(t):
    return np.uint32(1) << np.uint32(t & 31)


@inlined
def _symbol(piece, bit, lane):
    """OPEN also beyond the end of the word: there nothing is learned any more."""
    return CLOSE if _has(piece, BRACKETS, bit, lane) else OPEN


@inlined
def _inside(piece, t, lane):
    return np.uint32(t) < piece[at(LENGTH, lane)]


@lane_loop
def forward(cell, weights, slope, piece, t, state, tape):
    """Every lane reads symbol t of its word. piece: the 32 symbols, t among them, see `PIECE_ROWS`."""
    bit = _bit(t)
    if cell == LSTM:
        for lane in range(LANES):
            lstm.step(weights, slope, _symbol(piece, bit, lane), state, tape, lane)
    elif cell == GRU:
        for lane in range(LANES):
            gru.step(weights, slope, _symbol(piece, bit, lane), state, tape, lane)
    else:
        for lane in range(LANES):
            symbol = _symbol(piece, bit, lane) if _inside(piece, t, lane) else PADDING
            relu.step(weights, slope, symbol, state, tape, lane)


@inlined
def _read_out(loss, weights, piece, share, t, state, tape, gradient, lane):
    zero = like(0.0, share[lane])
    deep = like(1.0, zero) if _has(piece, DEPTHS, _bit(t), lane) else zero
    own = share[lane] if _inside(piece, t, lane) else zero
    readout.step(loss, weights, deep, own, state, tape, gradient, lane)


@lane_loop
def read_out(loss, weights, piece, share, t, state, tape, gradient):
    """Loss and gradient of the outputs after symbol t. Beyond the end of a lane's word its share of the loss is 0."""
    if loss == MSE:
        for lane in range(LANES):
            _read_out(squared_error, weights, piece, share, t, state, tape, gradient, lane)
    else:
        for lane in range(LANES):
            _read_out(cross_entropy, weights, piece, share, t, state, tape, gradient, lane)


@lane_loop
def back(cell, weights, slope, piece, t, tape, adjoint, gradient):
    """The step back over symbol t."""
    bit = _bit(t)
    if cell == LSTM:
        for lane in range(LANES):
            lstm.step_back(weights, slope, _symbol(piece, bit, lane), tape, adjoint, gradient, lane)
    elif cell == GRU:
        for lane in range(LANES):
            gru.step_back(weights, slope, _symbol(piece, bit, lane), tape, adjoint, gradient, lane)
    else:
        for lane in range(LANES):
            relu.step_back(weights, slope, _symbol(piece, bit, lane), tape, adjoint, gradient, lane)
