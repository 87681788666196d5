"""One step of a block of runs: the cells' steps and the read-out, looped over the lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from counting.engine import gru, lstm, readout, relu
from counting.engine.lanes import LANES, at, inlined, lane_loop, like, rows_of_lanes
from counting.engine.layout import (
    OPEN,
    PADDING,
    gate_rows,
    hidden,
    hold,
    load_weights,
    shape,
    weight_ih,
    weight_rows,
)
from counting.engine.readout import MSE, cross_entropy, squared_error

LSTM, GRU, RELU = 0, 1, 2
CELLS = ("lstm", "gru", "relu")
STEPS = (lstm, gru, relu)
GATES = (lstm.GATES, gru.GATES, relu.GATES)

_LSTM, _GRU, _RELU = (shape(gates) for gates in GATES)

LENGTH, SYMBOLS = 0, 1
"""Rows of 32 symbols of the words that the lanes of a block read in training, uint32: the whole word's length; then, a
row for each bit of the symbols; then, a row for each output, its targets. The first symbol is the lowest bit."""


@inlined
def symbol_bits(symbols):
    """Count the bits of a symbol of so many."""
    return 1 + (symbols > 2) + (symbols > 4) + (symbols > 8)


@inlined
def piece_rows(shape):
    """Rows of 32 symbols of the lanes' words."""
    return SYMBOLS + symbol_bits(len(shape.symbols)) + len(shape.outputs)


def _of_cell(name: str) -> Callable[..., Any]:
    """Give a function of whichever cell a shape's gates say, chosen where a kernel is compiled for the shape."""

    def function(*_: object) -> None:
        raise NotImplementedError("compiled code only")

    @overload(function, jit_options={"forceinline": True, "error_model": "numpy"}, strict=False)
    def _choose(shape, *_):  # noqa: ANN202
        return getattr(STEPS[GATES.index(shape.types[0].count)], name).py_func

    return function


_advance, _step, _step_back = map(_of_cell, ("advance", "step", "step_back"))


@lane_loop
def load(shape, parameters, gain):
    """Make the weights that the steps read, from a block of parameters."""
    weights = rows_of_lanes(weight_rows(shape), parameters.dtype)
    load_weights(weights, parameters, shape, like(gain, parameters[0]), LANES, LANES)
    return weights


@lane_loop
def load_by_symbol(shape, parameters, gain):
    """Make the weights for `advance`, those on each symbol: (symbols, rows · LANES)."""
    first = load(shape, parameters, gain)
    both = rows_of_lanes(len(shape.symbols) * weight_rows(shape), parameters.dtype)
    weights = both.reshape(len(shape.symbols), len(first))
    for symbol in range(len(shape.symbols)):
        weights[symbol] = first
        for row in range(gate_rows(shape)):
            for lane in range(LANES):
                weights[symbol, at(weight_ih(shape, row, OPEN), lane)] = first[at(weight_ih(shape, row, symbol), lane)]
    return weights


@lane_loop
def advance(shape, weights, state):
    """Every lane reads the same symbol, the one that `weights` are for; nothing is recorded, and there is no leak."""
    hold(shape, state)
    for unit in range(len(shape.units)):
        for lane in range(LANES):
            _advance(shape, unit, weights, like(0.0, weights[0]), OPEN, state, lane)


@lane_loop
def step(shape, weights, slope, symbol, state, tape):
    """Every lane reads its symbol, int32 (LANES,)."""
    hold(shape, state)
    for unit in range(len(shape.units)):
        for lane in range(LANES):
            _step(shape, unit, weights, slope, symbol[lane], state, tape, lane)


@lane_loop
def load_cell(cell, parameters, gain):
    """Make the weights of networks of one unit for Dyck-1, of the cell with this number."""
    if cell == LSTM:
        return load(_LSTM, parameters, gain)
    return load(_GRU, parameters, gain) if cell == GRU else load(_RELU, parameters, gain)


@lane_loop
def step_cell(cell, weights, slope, symbol, state, tape):
    """Take a step of networks of one unit for Dyck-1, of the cell with this number, as `step`."""
    if cell == LSTM:
        step(_LSTM, weights, slope, symbol, state, tape)
    elif cell == GRU:
        step(_GRU, weights, slope, symbol, state, tape)
    else:
        step(_RELU, weights, slope, symbol, state, tape)


@inlined
def _has(piece, row, t, lane):
    return np.uint32(piece[at(row, lane)] & (np.uint32(1) << np.uint32(t & 31))) != np.uint32(0)


@inlined
def _symbol(shape, piece, t, lane):
    """Give the symbol 0 also beyond the end of the word: there nothing is learned any more."""
    symbol = np.int32(_has(piece, SYMBOLS, t, lane))
    for bit in range(1, symbol_bits(len(shape.symbols))):
        symbol |= np.int32(_has(piece, SYMBOLS + bit, t, lane)) << np.int32(bit)
    return symbol


@inlined
def _inside(piece, t, lane):
    return np.uint32(t) < piece[at(LENGTH, lane)]


@lane_loop
def forward(shape, weights, slope, piece, t, state, tape):
    """Every lane reads symbol t of its word. piece: the 32 symbols, t among them, see `SYMBOLS`."""
    hold(shape, state)
    for unit in range(len(shape.units)):
        for lane in range(LANES):
            symbol = _symbol(shape, piece, t, lane) if _inside(piece, t, lane) else np.int32(PADDING)
            _step(shape, unit, weights, slope, symbol, state, tape, lane)


@inlined
def _read_out(shape, output, loss, weights, piece, share, t, state, tape, gradient, lane):
    own = share[lane]  # before the condition: LLVM vectorizes no loop that loads only sometimes
    zero = like(0.0, own)
    target = like(1.0, zero) if _has(piece, SYMBOLS + symbol_bits(len(shape.symbols)) + output, t, lane) else zero
    own = own if _inside(piece, t, lane) else zero
    readout.step(shape, output, loss, weights, target, own, state, tape, gradient, lane)


@lane_loop
def read_out(shape, loss, weights, piece, share, t, state, tape, gradient):
    """Loss and gradient of the outputs after symbol t. Beyond the end of a lane's word its share of the loss is 0."""
    for output in range(len(shape.outputs)):
        if loss == MSE:
            for lane in range(LANES):
                _read_out(shape, output, squared_error, weights, piece, share, t, state, tape, gradient, lane)
        else:
            for lane in range(LANES):
                _read_out(shape, output, cross_entropy, weights, piece, share, t, state, tape, gradient, lane)


@lane_loop
def back(shape, weights, slope, piece, t, tape, adjoint, gradient):
    """Take every lane back over symbol t."""
    hold(shape, adjoint)
    if len(shape.units) > 1:
        for unit in range(len(shape.units)):
            for lane in range(LANES):
                adjoint[at(hidden(unit), lane)] = like(0.0, adjoint[0])
    for unit in range(len(shape.units)):
        for lane in range(LANES):
            symbol = _symbol(shape, piece, t, lane)
            _step_back(shape, unit, weights, slope, symbol, tape, adjoint, gradient, lane)
