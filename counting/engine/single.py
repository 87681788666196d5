"""One run alone, as a GPU's thread takes it: the step functions of the blocks, called for one lane.

Every array begins at the run's own lane, so that to the step functions the run is lane 0 and its rows stand LANES
apart. `scratch` is what the run works on: the caller brings it, because a thread keeps it in its registers, or in
memory of its own, and compiled code for GPUs cannot ask for arrays. The functions are also compiled for the CPU, where
the tests hold them to the engine's bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from counting.engine import gru, lstm, readout, relu
from counting.engine.adam import BETA1, BETA2, EPSILON
from counting.engine.block import TAPE_ROWS
from counting.engine.lanes import at, inlined, like
from counting.engine.layout import (
    CLOSE,
    LOSS,
    OPEN,
    READOUT_ROWS,
    bias_hh,
    bias_ih,
    parameter_rows,
    weight_hh,
    weight_ih,
    weight_rows,
)

STEPS = {"lstm": lstm, "gru": gru, "relu": relu}

SCRATCH_ROWS = {"weights": 20, "gradient": 24, "state": 3, "adjoint": 2, "step": TAPE_ROWS}
"""Rows of the scratch arrays: enough for the LSTM, which has most. `step` is a tape of one step."""


class Single(NamedTuple):
    """The functions of one run of a cell, to be called from compiled code."""

    train_epoch: Callable
    losses: Callable
    first_failure: Callable


@inlined
def _zero(array, rows):
    for row in range(rows):
        array[at(row, 0)] = like(0.0, array[0])


@inlined
def _bit(chunks, word, t):
    """Bit t of a word's row of 32-bit chunks."""
    return np.int32((chunks[word, t >> 5] >> np.uint32(t & 31)) & np.uint32(1))


@inlined
def _load_weights(weights, parameters, gates, gain):
    """As `layout.load_weights`."""
    for row in range(weight_ih(gates, 0, OPEN)):
        value = parameters[at(row, 0)]
        weights[at(row, 0)] = value if row < READOUT_ROWS else gain * value
    for gate in range(gates):
        for symbol in range(2):
            i = at(weight_ih(gates, gate, symbol), 0)
            weights[i] = gain * parameters[i] + gain * parameters[at(bias_ih(gates, gate), 0)]


@inlined
def _finish_gradient(gradient, gates, gain):
    """As `layout.finish_gradient`."""
    for gate in range(gates):
        gradient[at(bias_ih(gates, gate), 0)] = (
            gradient[at(weight_ih(gates, gate, OPEN), 0)] + gradient[at(weight_ih(gates, gate, CLOSE), 0)]
        )
    if gain != like(1.0, gain):
        for row in range(READOUT_ROWS, parameter_rows(gates)):
            gradient[at(row, 0)] *= gain


@inlined
def _add_squares(gradient, first, rows, norm):
    for row in range(first, first + rows):
        norm += gradient[at(row, 0)] * gradient[at(row, 0)]
    return norm


@inlined
def _clip_norm(gradient, gates, largest):
    """As `adam.clip_norm`."""
    norm = _add_squares(gradient, 0, READOUT_ROWS, like(0.0, gradient[0]))
    norm = _add_squares(gradient, weight_ih(gates, 0, OPEN), 2 * gates, norm)
    norm = _add_squares(gradient, weight_hh(gates, 0), gates, norm)
    norm = _add_squares(gradient, bias_ih(gates, 0), gates, norm)
    norm = _add_squares(gradient, bias_hh(gates, 0), gates, norm)
    factor = like(largest, norm) / (math.sqrt(norm) + like(1e-6, norm))
    factor = factor if factor < like(1.0, factor) else like(1.0, factor)
    for row in range(parameter_rows(gates)):
        gradient[at(row, 0)] *= factor


@inlined
def _adam(parameters, gradient, moments1, moments2, rows, powers, learning_rate):
    """As `adam.step`; `powers`, float64, are the run's own β1^t and β2^t."""
    powers[at(0, 0)] *= BETA1
    powers[at(1, 0)] *= BETA2
    rate = like(learning_rate / (1.0 - powers[at(0, 0)]), gradient[0])
    correction = like(math.sqrt(1.0 - powers[at(1, 0)]), gradient[0])
    for row in range(rows):
        i = at(row, 0)
        g = gradient[i]
        m = moments1[i] + (g - moments1[i]) * like(1.0 - BETA1, g)
        v = moments2[i] * like(BETA2, g) + g * g * like(1.0 - BETA2, g)
        moments1[i] = m
        moments2[i] = v
        parameters[i] -= rate * m / (math.sqrt(v) / correction + like(EPSILON, g))


def single(cell: str, loss: str = "mse") -> Single:
    """The functions of one run. Cell and loss are fixed, so that the compiler knows every row's number."""
    loss_of = (readout.squared_error, readout.cross_entropy)[readout.LOSSES.index(loss)]
    step, step_back, gates = STEPS[cell].step, STEPS[cell].step_back, STEPS[cell].GATES
    rows = parameter_rows.py_func(gates)
    assert rows <= SCRATCH_ROWS["gradient"] and weight_rows.py_func(gates) <= SCRATCH_ROWS["weights"]

    @inlined
    def word_gradient(weights, slope, words, word, tape, gradient, state, adjoint):
        """The loss of one word (row LOSS of `state`) and its gradient."""
        brackets, depths, lengths = words
        length = lengths[word]
        _zero(gradient, weight_rows(gates))
        _zero(state, 3)
        _zero(adjoint, 2)
        share = like(1.0, slope) / like(length, slope)
        for t in range(length):
            step(weights, slope, _bit(brackets, word, t), state, tape[t], 0)
            readout.step(loss_of, weights, like(_bit(depths, word, t), slope), share, state, tape[t], gradient, 0)
        for t in range(length - 1, -1, -1):
            step_back(weights, slope, _bit(brackets, word, t), tape[t], adjoint, gradient, 0)

    @inlined
    def train_epoch(
        parameters, moments1, moments2, powers, words, order, learning_rate, gain, slope, clip, tape, scratch
    ):
        """One epoch: for each word of `order`, int32 (n,), forward, back and a step of Adam. Returns the mean loss.

        tape: (longest, TAPE_ROWS · LANES). Else as `train.train_epoch`.
        """
        weights, gradient, state, adjoint, _ = scratch
        gain = like(gain, parameters[0])
        slope = like(slope, parameters[0])
        total = 0.0
        for k in range(len(order)):
            _load_weights(weights, parameters, gates, gain)
            word_gradient(weights, slope, words, order[k], tape, gradient, state, adjoint)
            _finish_gradient(gradient, gates, gain)
            if clip > 0.0:
                _clip_norm(gradient, gates, clip)
            _adam(parameters, gradient, moments1, moments2, rows, powers, learning_rate)
            total += state[at(LOSS, 0)]
        return total / len(order)

    @inlined
    def losses(parameters, tokens, lengths, gain, slope, scratch):
        """Mean loss over the words, and the loss of the last one, as `read.losses`."""
        weights, _, state, _, tape = scratch
        slope = like(slope, parameters[0])
        _load_weights(weights, parameters, gates, like(gain, parameters[0]))
        total = 0.0
        for word in range(len(lengths)):
            _zero(state, 3)
            depth = 0
            share = like(1.0, slope) / like(lengths[word], slope)
            for t in range(lengths[word]):
                symbol = np.int32(tokens[word, t])
                depth += 1 - 2 * symbol
                step(weights, slope, symbol, state, tape, 0)
                readout.add_loss(loss_of, weights, like(1 if depth > 0 else 0, slope), share, state, 0)
            total += state[at(LOSS, 0)]
        return total / len(lengths), np.float64(state[at(LOSS, 0)])

    @inlined
    def first_failure(parameters, tokens, length, scratch):
        """The first wrong step on one word, int8 (longest,), or its length; as `read.decide`."""
        weights, _, state, _, tape = scratch
        zero = like(0.0, parameters[0])
        _load_weights(weights, parameters, gates, like(1.0, zero))
        _zero(state, 3)
        depth = 0
        for t in range(length):
            symbol = np.int32(tokens[t])
            depth += 1 - 2 * symbol
            step(weights, zero, symbol, state, tape, 0)
            opening = readout.logit(weights, 0, state, 0)
            closing = readout.logit(weights, 1, state, 0)
            # Not (closing ≥ 0) == (depth > 0): a NaN is wrong at any depth.
            decided = closing >= zero if depth > 0 else closing < zero
            if not (opening >= zero and decided):
                return t
        return length

    return Single(train_epoch, losses, first_failure)
