"""Training: what a block of runs does in one epoch. Every lane reads its own words in its own order.

Lanes therefore end at different steps. Beyond the end of its word a lane's share of the loss is 0, hence so is every
gradient, and it waits for the longest.
"""

from __future__ import annotations

import numpy as np

from counting.engine import adam
from counting.engine.block import GATES, TAPE_ROWS, load_weights, read_out, step, step_back, unpack_step, weight_rows
from counting.engine.lanes import LANES, at, kernel, lane_loop, like
from counting.engine.layout import LOSS, READOUT_ROWS, finish_gradient, parameter_rows


@lane_loop
def _forward(cell, weights, slope, bits, words, order, k, length, state, symbol, tape, gradient):
    """Read word k of every lane's order: fills `tape` and adds the read-out's share to `gradient`."""
    brackets, depths, lengths = words
    share = np.empty_like(state[:LANES])
    for lane in range(LANES):
        length[lane] = lengths[order[lane, k]]
        share[lane] = like(1.0, share[0]) / like(length[lane], share[0])
    for t in range(length.max()):
        if t & 31 == 0:
            for lane in range(LANES):
                bits[0, lane] = brackets[order[lane, k], t >> 5]
                bits[1, lane] = depths[order[lane, k], t >> 5]
        unpack_step(bits[0], bits[1], length, share, t, symbol[t], tape[t])
        step(cell, weights, slope, symbol[t], state, tape[t])
        read_out(weights, state, tape[t], gradient)


@lane_loop
def word_gradient(cell, weights, gain, slope, bits, words, order, k, length, state, adjoint, symbol, tape, gradient):
    """The loss (row LOSS of `state`) and its gradient, for word k of every lane's order."""
    gates = GATES[cell]
    gradient[:] = 0
    state[:] = 0
    adjoint[:] = 0
    _forward(cell, weights, slope, bits, words, order, k, length, state, symbol, tape, gradient)
    for t in range(length.max() - 1, -1, -1):
        step_back(cell, weights, slope, symbol[t], tape[t], adjoint, gradient)
    finish_gradient(gradient, gates)
    if gain != like(1.0, gain):
        for i in range(READOUT_ROWS * LANES, parameter_rows(gates) * LANES):
            gradient[i] *= gain


@kernel()
def train_epoch(cell, parameters, moments1, moments2, powers, words, order, learning_rate, gain, slope, clip):
    """One epoch of every lane: for each word, forward, back and a step of Adam.

    parameters, moments1, moments2: flat (rows · LANES,), updated in place, as is `powers`, float64 (β1^t, β2^t).
    words: a `PackedWords`. order: int32 (LANES, n), the word that each lane reads at each of n steps.
    gain, slope: gate temperature and leak (1 and 0 for PyTorch's cells). clip: largest gradient norm, 0 for none.
    Returns the mean loss of each lane over the epoch, float64 (LANES,), and the last gradient, as `parameters`.
    """
    gates = GATES[cell]
    rows = parameter_rows(gates)
    dtype = parameters.dtype
    longest = words.lengths.max()
    gain = like(gain, parameters[0])
    slope = like(slope, parameters[0])
    weights = np.zeros(weight_rows(gates) * LANES, dtype)
    gradient = np.empty(rows * LANES, dtype)
    state = np.empty(3 * LANES, dtype)
    adjoint = np.empty(2 * LANES, dtype)
    tape = np.empty((longest, TAPE_ROWS * LANES), dtype)
    symbol = np.empty((longest, LANES), np.int32)
    length = np.empty(LANES, np.int32)
    bits = np.empty((2, LANES), np.uint32)
    norm = np.empty(LANES, dtype)
    total = np.zeros(LANES)

    for k in range(order.shape[1]):
        load_weights(weights, parameters, gates, gain)
        word_gradient(
            cell, weights, gain, slope, bits, words, order, k, length, state, adjoint, symbol, tape, gradient
        )
        if clip > 0.0:
            adam.clip_norm(gradient, rows, clip, norm)
        adam.step(parameters, gradient, moments1, moments2, rows, powers, learning_rate)
        for lane in range(LANES):
            total[lane] += state[at(LOSS, lane)]
    return total / order.shape[1], gradient
